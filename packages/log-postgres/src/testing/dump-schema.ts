/** Runs one statement and answers its rows. */
type Query = (text: string) => Promise<Record<string, unknown>[]>;

/**
 * The schema `viable` as the database itself describes it, the same from every server: what the migrations add up to, for
 * people to read in one place and for a test to compare.
 */
export async function dumpSchema(query: Query): Promise<string> {
  const lines = async (text: string) => (await query(text)).map((row) => String(row.line));
  const tables = await lines(`
    SELECT format(E'CREATE TABLE %s (\\n%s\\n)%s;', c.oid::regclass,
      (SELECT string_agg(format('  %s %s%s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
          CASE WHEN l.collname <> 'default' THEN ' COLLATE "' || l.collname || '"' ELSE '' END,
          CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END,
          ' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid)), E',\\n' ORDER BY a.attnum)
        FROM pg_attribute a LEFT JOIN pg_collation l ON l.oid = a.attcollation
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
      ' WITH (' || array_to_string(c.reloptions, ', ') || ')') AS line
    FROM pg_class c WHERE c.relnamespace = 'viable'::regnamespace AND c.relkind = 'r' ORDER BY c.relname`);
  const indexes = await lines(`
    SELECT pg_get_indexdef(i.indexrelid) || CASE WHEN i.indisprimary THEN '; -- primary key' ELSE ';' END AS line
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE c.relnamespace = 'viable'::regnamespace ORDER BY c.relname`);
  const functions = await lines(`
    SELECT pg_get_functiondef(p.oid) || ';' AS line FROM pg_proc p
    WHERE p.pronamespace = 'viable'::regnamespace ORDER BY p.proname`);
  return `-- Written by the schema test from a migrated database (\`-u\` renews it). Read it; change it by a migration.

${[...tables, "", ...indexes, "", ...functions].join("\n").replaceAll(/\n{3,}/g, "\n\n")}
`;
}
