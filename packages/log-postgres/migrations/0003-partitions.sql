-- A log of many tenants is to be spread over several partitions, each with one order of its own; a tenant is in one of them, and so is
-- each of its streams. Today there is one. Positions are counted within a partition, streams and ids are unique over all.
ALTER TABLE viable.events ADD COLUMN partition smallint NOT NULL DEFAULT 1;
ALTER TABLE viable.events DROP CONSTRAINT events_pkey;
ALTER TABLE viable.events ADD PRIMARY KEY (partition, position);
