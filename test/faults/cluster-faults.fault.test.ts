/**
 * A system of several processes under faults, with constant load: a gateway and three nodes, each with all thirteen services of the reference
 * system, started by the documented command and sharing nothing but a PostgreSQL server with `fsync` on. Every agent does one thing in a
 * process outside, which writes each arrival down. The log, that ledger and what clients were answered are held against each other
 * (`cluster/check-accounting.ts`): what was acknowledged is there, what was accepted has one outcome with a reason, what was completed was
 * done outside once, and by whoever had the claim. The same accounting must fail where one task is taken out of that log.
 * Short form: a stop past the lease during which another node is killed, and a restart of the server, all on this machine. The long form
 * (`npm run test:faults -- cluster-faults --full`) needs Linux and root: there each process has a network of its own, and partitions, losses,
 * delays, half-open connections, wrong clocks, leaving and joining come on top.
 */
import { expect, test } from "vitest";
import { expectAccounting } from "./cluster/expect-accounting.ts";
import { faults } from "./cluster/faults.ts";
import { whyNoNamespaces } from "./cluster/host-network.ts";
import { hasFakeTime } from "./cluster/node-process.ts";
import { tellStory } from "./cluster/tell-story.ts";
import { isFull, keepResult, sayReplay } from "./log/result-file.ts";

const story = faults.flatMap((fault) => {
  const rounds = isFull ? fault.rounds : fault.isShort ? 1 : 0;
  return rounds === 0 ? [] : [{ fault, rounds }];
});
const rounds = story.reduce((sum, each) => sum + each.rounds, 0);

test(`${rounds} faults of a system on PostgreSQL alone`, { timeout: 120_000 + rounds * 90_000 }, async () => {
  if (isFull) {
    expect(whyNoNamespaces()).toBeUndefined();
    expect(hasFakeTime(), "libfaketime is not there (Debian: apt-get install faketime)").toBe(true);
  }
  sayReplay("cluster-faults");
  const ending = await tellStory(story, { hasNats: false });
  keepResult("cluster-faults", ending.summary);
  expectAccounting(ending);
});
