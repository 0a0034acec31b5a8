// Proves the rules by which one process judges the others (L1, L2), as plain decisions: what was seen, when, and what follows.
import { describe, expect, test } from "vitest";
import type { Lease } from "./lease.ts";
import { fromLeaseRecord, toLeaseRecord } from "./lease.ts";
import { LeaseView } from "./lease-view.ts";

const leaseMs = 100;
const lease = (epoch: number): Lease => ({ epoch, hosts: ["orders"], address: undefined });
const listed = (id: string, epoch: number, version: number) => ({ id, lease: lease(epoch), version });
const nothing = { gone: [], evict: [] };

describe("L1: when a life counts as gone", () => {
  test("when a listing begun a lease after its version was seen still shows that version; then its lease is to be deleted", () => {
    const view = new LeaseView(leaseMs);
    view.written("a", lease(1), 1, 0);
    expect(view.listed([listed("a", 1, 1)], 1, 99, 99)).toEqual(nothing);
    expect(view.isGone("a", 1)).toBe(false);
    expect(view.listed([listed("a", 1, 1)], 1, 100, 105)).toEqual({
      gone: [{ id: "a", epoch: 1 }],
      evict: [{ id: "a", epoch: 1, version: 1 }],
    });
    expect(view.isGone("a", 1)).toBe(true);
  });

  test("not by a listing that was begun too early, however late it ends", () => {
    const view = new LeaseView(leaseMs);
    view.written("a", lease(1), 1, 0);
    expect(view.listed([listed("a", 1, 1)], 1, 99, 5_000)).toEqual(nothing);
  });

  test("not when the listing shows a renewal nobody told of", () => {
    const view = new LeaseView(leaseMs);
    view.written("a", lease(1), 1, 0);
    expect(view.listed([listed("a", 1, 2)], 1, 500, 505)).toEqual(nothing);
    expect(view.nextDueMs).toBe(605);
  });

  test("when its lease is deleted, unless that news is older than what was seen since", () => {
    const view = new LeaseView(leaseMs);
    view.written("a", lease(1), 5, 0);
    expect(view.deleted("a", 4)).toEqual(nothing);
    expect(view.deleted("a", 6)).toEqual({ gone: [{ id: "a", epoch: 1 }], evict: [] });
    expect(view.deleted("a", 6)).toEqual(nothing);
    expect(view.deleted("nobody", 1)).toEqual(nothing);
  });

  test("when its process has a later life, which is not gone", () => {
    const view = new LeaseView(leaseMs);
    view.written("a", lease(1), 1, 0);
    expect(view.written("a", lease(2), 2, 10)).toEqual({ gone: [{ id: "a", epoch: 1 }], evict: [] });
    expect([view.isGone("a", 1), view.isGone("a", 2)]).toEqual([true, false]);
  });

  test("when a listing does not show it any more, unless it was written after the listing was begun", () => {
    const view = new LeaseView(leaseMs);
    view.written("old", lease(1), 1, 0);
    view.written("new", lease(2), 1, 55);
    expect(view.listed([], 1, 50, 60)).toEqual({ gone: [{ id: "old", epoch: 1 }], evict: [] });
    expect([view.isGone("old", 1), view.isGone("new", 2)]).toEqual([true, false]);
  });

  test("when nobody has heard of it and a look covered its epoch; a later epoch is not known yet", () => {
    const view = new LeaseView(leaseMs);
    expect(view.isGone("stranger", 1)).toBeUndefined();
    view.listed([listed("a", 3, 1)], 3, 0, 0);
    expect([view.isGone("stranger", 3), view.isGone("stranger", 4), view.isGone("a", 4)]).toEqual([
      true,
      undefined,
      undefined,
    ]);
  });
});

describe("L2: once gone, a life stays gone", () => {
  test("late news of it changes nothing but that its lease is to be deleted", () => {
    const view = new LeaseView(leaseMs);
    view.written("a", lease(1), 1, 0);
    view.deleted("a", 2);
    expect(view.written("a", lease(1), 3, 10)).toEqual({ gone: [], evict: [{ id: "a", epoch: 1, version: 3 }] });
    expect(view.listed([listed("a", 1, 3)], 1, 20, 20).evict).toEqual([{ id: "a", epoch: 1, version: 3 }]);
    expect(view.isGone("a", 1)).toBe(true);
    expect([...view.live]).toEqual([]);
  });

  test("also when ten thousand others have gone since and it is no longer remembered by name", () => {
    const view = new LeaseView(leaseMs);
    for (let epoch = 1; epoch <= 10_000; epoch++) {
      view.written(`p${epoch}`, lease(epoch), 1, 0);
      view.deleted(`p${epoch}`, 2);
    }
    view.listed([], 10_000, 1, 1);
    expect([view.isGone("p1", 1), view.isGone("p10000", 10_000)]).toEqual([true, true]);
  });
});

describe("news", () => {
  test("that comes twice or late does not count as a renewal", () => {
    const view = new LeaseView(leaseMs);
    view.written("a", lease(2), 5, 0);
    view.written("a", lease(2), 5, 50);
    view.written("a", lease(2), 4, 60);
    view.written("a", lease(1), 9, 70);
    expect(view.nextDueMs).toBe(100);
    expect([...view.live]).toMatchObject([{ id: "a", epoch: 2, version: 5, seenAtMs: 0 }]);
  });

  test("the next lease to run out is the one seen longest ago", () => {
    const view = new LeaseView(leaseMs);
    expect(view.nextDueMs).toBeUndefined();
    view.written("a", lease(1), 1, 10);
    view.written("b", lease(2), 1, 5);
    expect(view.nextDueMs).toBe(105);
    view.written("b", lease(2), 2, 30);
    expect(view.nextDueMs).toBe(110);
  });
});

describe("lease records", () => {
  test("read back as they were written", () => {
    for (const address of ["http://one", undefined]) {
      const written: Lease = { epoch: 7, hosts: ["orders", "billing"], address };
      expect(fromLeaseRecord(JSON.parse(JSON.stringify(toLeaseRecord(written))))).toEqual(written);
    }
  });

  test.each([[null], ["text"], [[1]], [{}], [{ epoch: "1", hosts: [] }], [{ epoch: 1, hosts: "orders" }]])(
    "what is not a lease is not read as one: %j",
    (value) => {
      expect(fromLeaseRecord(value)).toBeUndefined();
    },
  );
});
