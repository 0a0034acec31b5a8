// Prepared, a statement answers as PGlite's own `query` does, and is prepared once.
import { PGlite } from "@electric-sql/pglite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PreparedStatements } from "./prepared-statements.ts";

let database: PGlite;
let statements: PreparedStatements;
beforeAll(async () => {
  database = await PGlite.create({ parsers: { 20: Number } });
  await database.exec("CREATE TABLE items (id bigint PRIMARY KEY, name text)");
  statements = new PreparedStatements(database);
});
afterAll(() => database.close());

test("rows are as a query's, of every type that a statement answers, and so is what it touched", async () => {
  const text = `SELECT 1::int8 AS big, 2::int4 AS small, 1.5::float8 AS real, 'NaN'::float8 AS none, true AS yes, NULL::text AS nothing,
    '' AS empty, $1::text AS given`;
  const given = 'quo"te, \\ back and ü';
  const { rows } = await statements.run({ name: "types", text }, [given]);
  expect(rows).toEqual((await database.query(text, [given])).rows);
  const insert = { name: "insert", text: "INSERT INTO items SELECT unnest($1::bigint[]), $2::text" };
  expect(await statements.run(insert, ["{1,2,3}", null])).toEqual({ rows: [], touched: 3 });
  const update = { name: "update", text: "UPDATE items SET name = $1::text WHERE id > 1 RETURNING id" };
  expect(await statements.run(update, ["x"])).toEqual({ rows: [{ id: 2 }, { id: 3 }], touched: 2 });
  expect((await statements.run({ name: "none", text: "DELETE FROM items WHERE id = 9" }, [])).touched).toBe(0);
});

test("one that is refused is told with its code, and can be run again", async () => {
  const insert = { name: "insert-one", text: "INSERT INTO items VALUES ($1::bigint, 'one')" };
  await statements.run(insert, ["10"]);
  await expect(statements.run(insert, ["10"])).rejects.toMatchObject({ code: "23505", constraint: "items_pkey" });
  expect(await statements.run(insert, ["11"])).toMatchObject({ touched: 1 });
  await expect(statements.run({ name: "wrong", text: "SELECT nonsense" }, [])).rejects.toMatchObject({ code: "42703" });
  expect(await statements.run({ name: "wrong", text: "SELECT 1 AS right" }, [])).toMatchObject({
    rows: [{ right: 1 }],
  });
});

test("each is prepared once, and a name is of one text alone", async () => {
  const count = { name: "count", text: "SELECT count(*) AS count FROM items" };
  for (let time = 0; time < 3; time++) await statements.run(count, []);
  const { rows } = await database.query("SELECT statement FROM pg_prepared_statements WHERE name = 'count'");
  expect(rows).toEqual([{ statement: count.text }]);
  await expect(statements.run({ ...count, text: "SELECT 2" }, [])).rejects.toThrow("names two statements");
});
