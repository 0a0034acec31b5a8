import type { PostgresServer } from "@viable/log-postgres/testing";

/**
 * The log's own functions with one of their guards taken out, in a test's own database: what checks them must then say so, or it
 * checks nothing. They are changed as they stand in the database, so that they stay ours but for the one thing; where what is to be
 * taken out is not found, the test fails and is to be brought up to date.
 */
export type PlantedBug =
  /** Nobody waits for whoever is writing: two writers give out the same positions. The key that stands behind the lock is gone too. */
  | "no lock"
  /** Positions from a counter of their own, let go of before the commit, as is often done: they are seen out of order. */
  | "positions before the commit"
  /** What an append expects is not looked at. */
  | "no version check"
  /** What a record's write expects is not looked at. */
  | "no record check"
  /** What was appended before is not looked for. */
  | "no id check"
  /** The same, and the index that stands behind it is gone too. */
  | "no id check and no index";

// The shortest way of a commit is a statement and no function. It does not wait for the lock, and without it would give no position twice.

interface Change {
  readonly from: RegExp;
  readonly to: string;
}

const isLocked: Change = { from: /PERFORM pg_advisory_xact_lock\(728360441, 1\);/, to: "" };
const versions: Change = { from: /(w|v)\.expected >= 0 AND \1\.expected <> \1\.version/g, to: "false" };
const records: Change = { from: /p\.expected >= 0 AND p\.expected <> p\.live_version/g, to: "false" };
const repeatInBatch: Change = { from: /WHERE e\.id = w\.first_id LIMIT 1/, to: "WHERE false LIMIT 1" };
const repeatInEvents: Change = { from: /bool_or\(v\.known OR /, to: "bool_or(" };

/** A range of positions is taken under a lock that ends with the taking. Other ways of a commit know nothing of the counter: it keeps ahead. */
const fromCounter: readonly Change[] = [
  isLocked,
  {
    from: /(\n {2}SELECT array_agg\(v\.version)/,
    to: `
  PERFORM pg_advisory_lock(42);
  SELECT greatest(p.last_value, (SELECT max(e.position) FROM viable.events AS e)) INTO base_ordinal FROM planted.positions AS p;
  PERFORM setval('planted.positions', base_ordinal + cardinality(event_write));
  PERFORM pg_advisory_unlock(42);
$1`,
  },
];

const changes: { readonly [bug in PlantedBug]: { readonly [name: string]: readonly Change[] } } = {
  "no lock": { append_events: [isLocked], append_batch: [isLocked] },
  "positions before the commit": { append_events: fromCounter },
  "no version check": { append_events: [versions], append_batch: [versions] },
  "no record check": { append_batch: [records] },
  "no id check": { append_events: [repeatInEvents], append_batch: [repeatInBatch] },
  "no id check and no index": { append_events: [repeatInEvents], append_batch: [repeatInBatch] },
};

/** Plants a bug in a migrated database that the server's own connections are in. */
export async function plantBug(server: PostgresServer, bug: PlantedBug): Promise<void> {
  if (bug === "positions before the commit") {
    await server.query("CREATE SCHEMA planted");
    await server.query("CREATE SEQUENCE planted.positions MINVALUE 0 START 0");
  }
  if (bug === "no lock") {
    await server.query("ALTER TABLE viable.events DROP CONSTRAINT events_pkey");
    await server.query("CREATE INDEX ON viable.events (partition, position)");
  }
  if (bug === "no id check and no index") await server.query("DROP INDEX viable.events_by_id");
  for (const [name, steps] of Object.entries(changes[bug])) {
    const [row] = await server.query("SELECT pg_get_functiondef($1::regproc) AS definition", [`viable.${name}`]);
    let definition = String(row?.definition);
    for (const { from, to } of steps) {
      const changed = definition.replace(from, to);
      if (changed === definition)
        throw new Error(`viable.${name} has nothing that is ${from}: bring the planted bug up to date.`);
      definition = changed;
    }
    await server.query(definition);
  }
}

/**
 * Makes every commit take up to `maxMs` longer, at random, between its writing and its end: rare windows become wide. With the
 * order kept, others only wait; a function without it shows what it does.
 */
export async function slowCommits(server: PostgresServer, maxMs: number): Promise<void> {
  await server.query("CREATE SCHEMA slow");
  await server.query(`CREATE FUNCTION slow.down() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF random() < 0.5 THEN PERFORM pg_sleep(random() * ${maxMs} / 1000.0); END IF;
      RETURN NULL;
    END $$`);
  await server.query(
    "CREATE TRIGGER slow AFTER INSERT ON viable.events FOR EACH STATEMENT EXECUTE FUNCTION slow.down()",
  );
}
