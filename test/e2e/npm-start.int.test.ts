// The first command of the README, on a folder of two files: what stands on stdout, and how it ends.
import { expect, test } from "vitest";
import { Place } from "./cli.ts";

function withSources(): Place {
  const place = new Place();
  place.write("code/one.ts", 'import { two } from "./two.ts";\nexport const one = two + 1;\n');
  place.write("code/two.ts", "export const two = 2;\n");
  return place;
}

test("--once --output json: the result alone on stdout, the way there on stderr, 0", async () => {
  await using place = withSources();
  const done = await place.npmStart("code", "--once", "--output", "json").finished;
  expect(done.err).toContain("analyze on system: completed");
  expect(done.status).toBe(0);
  expect(JSON.parse(done.out)).toMatchObject({ modules: 2, edges: 1, cycles: [] });
});

test("by npm itself stdout holds the result alone, too: npm's own banner would be in it", async () => {
  await using place = withSources();
  const done = await place.npm(place.path("code"), "--once", "--output", "json").finished;
  expect(done.status).toBe(0);
  expect(JSON.parse(done.out)).toMatchObject({ modules: 2, edges: 1 });
});

test("without either: the report, the gateway's address, and it stays up until SIGTERM", async () => {
  await using place = withSources();
  const system = place.npmStart("code");
  await system.saw("stays up at http://127.0.0.1:");
  expect(system.out()).toContain(`Analysis of ${place.path("code")}`);
  const again = await place.npmStart("code", "--once").finished;
  expect(again).toMatchObject({ status: 1, out: "" });
  expect(again.err).toContain("A system is already running");
  system.signal("SIGTERM");
  expect((await system.finished).status).toBe(0);
});

test("a folder that is not there, and words that mean nothing, end with 2 before anything is started", async () => {
  await using place = withSources();
  const absent = await place.npmStart("nowhere", "--once").finished;
  expect(absent).toMatchObject({ status: 2, out: "" });
  expect(absent.err).toContain(`${place.path("nowhere")} is not a folder`);
  expect((await place.npmStart("--ones").finished).status).toBe(2);
  expect((await place.npmStart("--output", "xml").finished).status).toBe(2);
});
