-- The shortest way, for a process that was the last to write: it knows what it wrote, and so the versions of its streams. As long as nobody
-- else has written since, which the partition's ordinal says, and this is the very connection that it was told on, nothing need be looked
-- up: half of what append_events costs.
--
-- Answers "ordinal before,last change", or NULL, having written nothing, where either is not so. Versions are the caller's; where one is
-- wrong all the same, because a stream that it takes for new is there, or an event was appended before, a unique index refuses.
CREATE FUNCTION viable.append_known(
  in_connection text, in_ordinal bigint,
  event_stream text[], event_version bigint[], event_id text[], event_type text[], event_tenant text[], event_session text[],
  event_correlation text[], event_data text[], event_metadata text[], event_time double precision[]
) RETURNS text LANGUAGE plpgsql VOLATILE
  SET plan_cache_mode = force_generic_plan
AS $function$
DECLARE
  base_ordinal bigint;
  base_change bigint;
  written bigint;
BEGIN
  SELECT p.ordinal, p.change INTO STRICT base_ordinal, base_change
  FROM viable.log_partitions AS p WHERE p.id = 1 FOR UPDATE;
  IF base_ordinal <> in_ordinal OR current_setting('viable.connection', true) IS DISTINCT FROM in_connection THEN
    RETURN NULL;
  END IF;

  INSERT INTO viable.events (position, stream, version, id, type, tenant, session, correlation, data, metadata, time)
  SELECT base_ordinal + e.nr, e.stream, e.version, e.id, e.type, e.tenant, e.session, e.correlation, e.data, e.metadata, e.time
  FROM unnest(event_stream, event_version, event_id, event_type, event_tenant, event_session, event_correlation, event_data,
    event_metadata, event_time)
    WITH ORDINALITY AS e (stream, version, id, type, tenant, session, correlation, data, metadata, time, nr);
  GET DIAGNOSTICS written = ROW_COUNT;

  UPDATE viable.log_partitions SET ordinal = base_ordinal + written WHERE id = 1;
  RETURN base_ordinal || ',' || base_change;
END
$function$;
