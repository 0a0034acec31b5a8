-- The shortest way, for a process that was the last to write: it knows what it wrote, and so the versions of its streams. As long as nobody
-- else has written since, which the partition's ordinal says, and this is the very connection that it was told on, nothing need be looked
-- up: half of what append_events costs.
--
-- Answers the number of the last record change, or NULL, having written nothing, where either is not so. Versions are the caller's; where one is
-- wrong all the same, because a stream that it takes for new is there, or an event was appended before, a unique index refuses.
CREATE FUNCTION viable.append_known(
  in_connection text, in_ordinal bigint,
  event_stream text[], event_version bigint[], event_id text[], event_type text[], event_tenant text[], event_session text[],
  event_correlation text[], event_data text[], event_metadata text[], event_time double precision[]
) RETURNS bigint LANGUAGE plpgsql VOLATILE
  SET plan_cache_mode = force_generic_plan
AS $function$
DECLARE
  base_change bigint;
BEGIN
  -- Locks the partition's row and moves the ordinal at once, or finds that another was faster.
  UPDATE viable.log_partitions AS p SET ordinal = p.ordinal + cardinality(event_id)
  WHERE p.id = 1 AND p.ordinal = in_ordinal AND current_setting('viable.connection', true) = in_connection
  RETURNING p.change INTO base_change;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;

  INSERT INTO viable.events (position, stream, version, id, type, tenant, session, correlation, data, metadata, time)
  -- The language holds its arrays unpacked, so that an item of one is found at once; unnesting ten of them costs more than a small batch.
  SELECT in_ordinal + nr, event_stream[nr], event_version[nr], event_id[nr], event_type[nr], event_tenant[nr], event_session[nr],
    event_correlation[nr], event_data[nr], event_metadata[nr], event_time[nr]
  FROM generate_series(1, cardinality(event_id)) AS nr;
  RETURN base_change;
END
$function$;

-- The same for one event, which is all that a single writer ever sends: half as much, without any array.
CREATE FUNCTION viable.append_known_event(
  in_connection text, in_ordinal bigint,
  event_stream text, event_version bigint, event_id text, event_type text, event_tenant text, event_session text,
  event_correlation text, event_data text, event_metadata text, event_time double precision
) RETURNS bigint LANGUAGE plpgsql VOLATILE
  SET plan_cache_mode = force_generic_plan
AS $function$
DECLARE
  base_change bigint;
BEGIN
  UPDATE viable.log_partitions AS p SET ordinal = p.ordinal + 1
  WHERE p.id = 1 AND p.ordinal = in_ordinal AND current_setting('viable.connection', true) = in_connection
  RETURNING p.change INTO base_change;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;

  INSERT INTO viable.events (position, stream, version, id, type, tenant, session, correlation, data, metadata, time)
  VALUES (in_ordinal + 1, event_stream, event_version, event_id, event_type, event_tenant, event_session, event_correlation,
    event_data, event_metadata, event_time);
  RETURN base_change;
END
$function$;
