-- Written by the schema test from a migrated database (`-u` renews it). Read it; change it by a migration.

CREATE TABLE viable.events (
  position bigint NOT NULL,
  stream text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  id text COLLATE "C" NOT NULL,
  type text COLLATE "C" NOT NULL,
  tenant text COLLATE "C" NOT NULL,
  session text COLLATE "C",
  correlation text COLLATE "C",
  data text NOT NULL,
  metadata text NOT NULL,
  time double precision NOT NULL,
  partition smallint NOT NULL DEFAULT 1
);
CREATE TABLE viable.log_partitions (
  id smallint NOT NULL,
  change bigint NOT NULL
) WITH (fillfactor=10);
CREATE TABLE viable.records (
  key text COLLATE "C" NOT NULL,
  value text,
  version bigint NOT NULL,
  expires_at double precision,
  change bigint NOT NULL,
  changed_at double precision NOT NULL,
  written_by text COLLATE "C"
);
CREATE TABLE viable.schema_version (
  version integer NOT NULL,
  applied_at timestamp with time zone NOT NULL DEFAULT now()
);

CREATE UNIQUE INDEX events_by_id ON viable.events USING btree (id);
CREATE INDEX events_by_session ON viable.events USING btree (session, "position") WHERE (session IS NOT NULL);
CREATE UNIQUE INDEX events_by_stream ON viable.events USING btree (stream, version);
CREATE UNIQUE INDEX events_pkey ON viable.events USING btree (partition, "position"); -- primary key
CREATE UNIQUE INDEX log_partitions_pkey ON viable.log_partitions USING btree (id); -- primary key
CREATE UNIQUE INDEX records_by_change ON viable.records USING btree (change);
CREATE INDEX records_by_end ON viable.records USING btree ((
CASE
    WHEN (value IS NULL) THEN changed_at
    ELSE expires_at
END)) WHERE ((value IS NULL) OR (expires_at IS NOT NULL));
CREATE UNIQUE INDEX records_pkey ON viable.records USING btree (key); -- primary key
CREATE UNIQUE INDEX schema_version_pkey ON viable.schema_version USING btree (version); -- primary key

CREATE OR REPLACE FUNCTION viable.append_batch(in_now double precision, in_appends integer, write_append integer[], write_stream text[], write_expected bigint[], write_first_id text[], write_events integer[], event_write integer[], event_nth integer[], event_id text[], event_type text[], event_tenant text[], event_session text[], event_correlation text[], event_data text[], event_metadata text[], event_time double precision[], put_append integer[], put_key text[], put_expected bigint[], put_value text[], put_expires_at double precision[], put_by text[])
 RETURNS TABLE(append integer, outcome text, conflict integer, actual bigint, first_position bigint, stream_versions text, record_versions text, last_change bigint)
 LANGUAGE plpgsql
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_nestloop TO 'off'
AS $function$
#variable_conflict use_column
DECLARE
  base_ordinal bigint;
  base_change bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(728360441, 1);
  SELECT coalesce((
      SELECT e.position FROM viable.events AS e WHERE e.partition = 1 ORDER BY e.position DESC LIMIT 1
    ), 0), p.change
  INTO STRICT base_ordinal, base_change
  FROM viable.log_partitions AS p WHERE p.id = 1;

  RETURN QUERY
  WITH
  -- What is to be written to streams, beside what the log holds of them already.
  write AS MATERIALIZED (
    SELECT w.nr::int AS nr, w.append, w.stream, w.expected, w.events,
      coalesce((
        SELECT e.version FROM viable.events AS e WHERE e.stream = w.stream ORDER BY e.version DESC LIMIT 1
      ), 0) AS version,
      earlier.position AS earlier_position, earlier.version AS earlier_version
    FROM unnest(write_append, write_stream, write_expected, write_first_id, write_events)
      WITH ORDINALITY AS w (append, stream, expected, first_id, events, nr)
    LEFT JOIN LATERAL (
      SELECT e.position, e.version, e.stream FROM viable.events AS e WHERE e.id = w.first_id LIMIT 1
    ) AS earlier ON earlier.stream = w.stream
  ),
  -- What is to be put into records, beside what they are.
  put AS MATERIALIZED (
    SELECT r.nr::int AS nr, r.append, r.key, r.expected, r.value, r.expires_at, r.by,
      coalesce(stored.version, 0) AS version,
      -- What this very append left the record at, where it has been here before and was the last to write it.
      CASE WHEN stored.written_by = r.by THEN stored.version
        - count(*) OVER (PARTITION BY r.append, r.key) + row_number() OVER (PARTITION BY r.append, r.key ORDER BY r.nr)
        ELSE 0 END AS earlier_version,
      CASE WHEN stored.value IS NOT NULL AND (stored.expires_at IS NULL OR stored.expires_at > in_now)
        THEN stored.version ELSE 0 END AS live_version
    FROM unnest(put_append, put_key, put_expected, put_value, put_expires_at, put_by)
      WITH ORDINALITY AS r (append, key, expected, value, expires_at, by, nr)
    LEFT JOIN LATERAL (
      SELECT s.value, s.expires_at, s.version, s.written_by FROM viable.records AS s WHERE s.key = r.key LIMIT 1
    ) AS stored ON true
  ),
  write_verdict AS (
    SELECT w.append, sum(w.events) AS events,
      (array_agg(w.earlier_position ORDER BY w.nr) FILTER (WHERE w.events > 0))[1] AS earlier_position,
      -- A write without events left no trace: what it expected is what it found, or else what there is now.
      string_agg(
        coalesce(w.earlier_version, CASE WHEN w.expected >= 0 THEN w.expected ELSE w.version END + 1)::text, ','
        ORDER BY w.nr
      ) AS earlier_versions,
      min(w.nr) FILTER (WHERE w.expected >= 0 AND w.expected <> w.version) AS conflict,
      (array_agg(w.version ORDER BY w.nr) FILTER (WHERE w.expected >= 0 AND w.expected <> w.version))[1] AS actual
    FROM write AS w GROUP BY w.append
  ),
  put_verdict AS (
    SELECT p.append,
      max(p.earlier_version) AS earlier_version,
      string_agg(p.earlier_version::text, ',' ORDER BY p.nr) AS earlier_versions,
      min(p.nr) FILTER (WHERE p.expected >= 0 AND p.expected <> p.live_version) AS conflict,
      (array_agg(p.live_version ORDER BY p.nr) FILTER (WHERE p.expected >= 0 AND p.expected <> p.live_version))[1] AS actual
    FROM put AS p GROUP BY p.append
  ),
  -- An append that has happened already is answered so, whatever it expects now; else streams are checked before records. It is
  -- known by its first event or, where it has none, by a record that it was the last to write.
  verdict AS MATERIALIZED (
    SELECT a.append,
      CASE WHEN w.earlier_position IS NOT NULL OR (p.earlier_version > 0 AND coalesce(w.events, 0) = 0) THEN 'repeated'
        WHEN w.conflict IS NOT NULL THEN 'stream_conflict'
        WHEN p.conflict IS NOT NULL THEN 'record_conflict'
        ELSE 'appended' END AS outcome,
      w.earlier_position, w.earlier_versions, p.earlier_versions AS earlier_record_versions,
      coalesce(w.conflict, p.conflict) AS conflict,
      CASE WHEN w.conflict IS NOT NULL THEN w.actual ELSE p.actual END AS actual
    FROM generate_series(1, in_appends) AS a (append)
    LEFT JOIN write_verdict AS w ON w.append = a.append
    LEFT JOIN put_verdict AS p ON p.append = a.append
  ),
  placed_write AS MATERIALIZED (
    SELECT w.nr, w.append, w.stream, w.events,
      base_ordinal + sum(w.events) OVER (ORDER BY w.nr) - w.events AS position_before,
      w.version + sum(w.events) OVER (PARTITION BY w.stream ORDER BY w.nr) - w.events AS version_before
    FROM write AS w JOIN verdict AS v ON v.append = w.append
    WHERE v.outcome = 'appended'
  ),
  placed_put AS MATERIALIZED (
    SELECT p.nr, p.append, p.key, p.value, p.expires_at, p.by,
      base_change + row_number() OVER (ORDER BY p.nr) AS change,
      p.version + row_number() OVER (PARTITION BY p.key ORDER BY p.nr) AS version,
      p.nr = max(p.nr) OVER (PARTITION BY p.key) AS is_last
    FROM put AS p JOIN verdict AS v ON v.append = p.append
    WHERE v.outcome = 'appended'
  ),
  written AS (
    INSERT INTO viable.events (position, stream, version, id, type, tenant, session, correlation, data, metadata, time)
    SELECT w.position_before + e.nth, w.stream, w.version_before + e.nth,
      e.id, e.type, e.tenant, e.session, e.correlation, e.data, e.metadata, e.time
    FROM unnest(event_write, event_nth, event_id, event_type, event_tenant, event_session, event_correlation, event_data,
      event_metadata, event_time) AS e (write, nth, id, type, tenant, session, correlation, data, metadata, time)
    JOIN placed_write AS w ON w.nr = e.write
  ),
  changed AS (
    INSERT INTO viable.records (key, value, version, expires_at, change, changed_at, written_by)
    SELECT p.key, p.value, p.version, p.expires_at, p.change, in_now, p.by FROM placed_put AS p WHERE p.is_last
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version, expires_at = excluded.expires_at,
      change = excluded.change, changed_at = excluded.changed_at, written_by = excluded.written_by
  ),
  total AS MATERIALIZED (
    SELECT base_change + (SELECT count(*) FROM placed_put) AS change
  ),
  moved AS (
    UPDATE viable.log_partitions AS l SET change = t.change
    FROM total AS t WHERE l.id = 1 AND l.change <> t.change
  )
  SELECT v.append, v.outcome, v.conflict, v.actual,
    CASE WHEN v.outcome = 'repeated' THEN coalesce(v.earlier_position, 0) ELSE coalesce(w.first_position, 0) END,
    CASE WHEN v.outcome = 'repeated' THEN coalesce(v.earlier_versions, '') ELSE coalesce(w.versions, '') END,
    CASE WHEN v.outcome = 'repeated' THEN coalesce(v.earlier_record_versions, '') ELSE coalesce(p.versions, '') END,
    t.change
  FROM verdict AS v
  CROSS JOIN total AS t
  LEFT JOIN (
    SELECT w.append, (min(w.position_before) + 1)::bigint AS first_position,
      string_agg((w.version_before + 1)::text, ',' ORDER BY w.nr) AS versions
    FROM placed_write AS w GROUP BY w.append
  ) AS w ON w.append = v.append
  LEFT JOIN (
    SELECT p.append, string_agg(p.version::text, ',' ORDER BY p.nr) AS versions FROM placed_put AS p GROUP BY p.append
  ) AS p ON p.append = v.append
  ORDER BY v.append;
END
$function$
;
CREATE OR REPLACE FUNCTION viable.append_events(in_stream text[], in_expected bigint[], in_first_id text[], event_write integer[], event_nth integer[], event_stream text[], event_id text[], event_type text[], event_tenant text[], event_session text[], event_correlation text[], event_data text[], event_metadata text[], event_time double precision[])
 RETURNS text
 LANGUAGE plpgsql
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
AS $function$
DECLARE
  base_ordinal bigint;
  base_change bigint;
  versions bigint[];
  troubled boolean;
BEGIN
  PERFORM pg_advisory_xact_lock(728360441, 1);
  SELECT coalesce((
      SELECT e.position FROM viable.events AS e WHERE e.partition = 1 ORDER BY e.position DESC LIMIT 1
    ), 0), p.change
  INTO STRICT base_ordinal, base_change
  FROM viable.log_partitions AS p WHERE p.id = 1;

  SELECT array_agg(v.version ORDER BY v.nr), bool_or(v.known OR (v.expected >= 0 AND v.expected <> v.version))
  INTO versions, troubled
  FROM (
    SELECT w.nr, w.expected,
      coalesce((
        SELECT e.version FROM viable.events AS e WHERE e.stream = w.stream ORDER BY e.version DESC LIMIT 1
      ), 0) AS version,
      -- What was appended before at an expected version is met by that version; only "any" needs to look for its event.
      w.expected < 0 AND EXISTS (SELECT FROM viable.events AS e WHERE e.id = w.first_id) AS known
    FROM unnest(in_stream, in_expected, in_first_id) WITH ORDINALITY AS w (stream, expected, first_id, nr)
  ) AS v;
  IF troubled THEN
    RETURN NULL;
  END IF;

  INSERT INTO viable.events (position, stream, version, id, type, tenant, session, correlation, data, metadata, time)
  SELECT base_ordinal + e.nr, e.stream, versions[e.write] + e.nth,
    e.id, e.type, e.tenant, e.session, e.correlation, e.data, e.metadata, e.time
  FROM unnest(event_write, event_nth, event_stream, event_id, event_type, event_tenant, event_session, event_correlation,
    event_data, event_metadata, event_time)
    WITH ORDINALITY AS e (write, nth, stream, id, type, tenant, session, correlation, data, metadata, time, nr);
  RETURN base_ordinal || ',' || base_change || ',' || array_to_string(versions, ',');
END
$function$
;
