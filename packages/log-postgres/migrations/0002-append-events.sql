-- The way that nearly every flush goes: events alone, each append's versions as expected, none of them repeated. Three plain statements
-- under the partition's lock cost half of the one that can answer everything (append_batch); where anything is out of the ordinary,
-- nothing is written and that one is asked.
--
-- Answers "ordinal before,last change,version before of each stream…", or NULL, having written nothing, where a version is not
-- as expected or an append may have happened already. One stream for each entry of in_stream, no two alike. The lock, and what it
-- means for order, are as in append_batch.
CREATE FUNCTION viable.append_events(
  in_stream text[], in_expected bigint[], in_first_id text[],
  event_write int[], event_nth int[], event_stream text[], event_id text[], event_type text[], event_tenant text[],
  event_session text[], event_correlation text[], event_data text[], event_metadata text[], event_time double precision[]
) RETURNS text LANGUAGE plpgsql VOLATILE
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $function$
DECLARE
  base_ordinal bigint;
  base_change bigint;
  versions bigint[];
  troubled boolean;
  written bigint;
BEGIN
  SELECT p.ordinal, p.change INTO STRICT base_ordinal, base_change
  FROM viable.log_partitions AS p WHERE p.id = 1 FOR UPDATE;

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
  GET DIAGNOSTICS written = ROW_COUNT;

  UPDATE viable.log_partitions SET ordinal = base_ordinal + written WHERE id = 1;
  RETURN base_ordinal || ',' || base_change || ',' || array_to_string(versions, ',');
END
$function$;
