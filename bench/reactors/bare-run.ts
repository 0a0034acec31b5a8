import type { EventSample } from "../command/two-events.ts";

/** What a run of ours wrote, in its order: what the limit writes for its own. */
export type RunSample = readonly EventSample[];

/**
 * The durable waits of a run whose steps follow each other: the run's beginning, each outcome, and with the last one the run's end.
 * Throws where the events are others than these: then the limit would not do what we do.
 */
export function waitsInTurn(events: RunSample): readonly RunSample[] {
  check(events);
  return [...events.slice(0, -2).map((event) => [event]), events.slice(-2)];
}

/** The durable waits of a run whose steps go on at the same time: its beginning, and everything else at once. */
export function waitsAtOnce(events: RunSample): readonly RunSample[] {
  check(events);
  return [events.slice(0, 1), events.slice(1)];
}

function check(events: RunSample): void {
  const types = events.map(({ type }) => type);
  const expected = ["run.started", ...Array(Math.max(0, types.length - 2)).fill("step.succeeded"), "run.completed"];
  const wrong = types.findIndex((type, index) => type !== expected[index]);
  if (wrong >= 0) throw new Error(`A run's event ${wrong + 1} was to be ${expected[wrong]} and is ${types[wrong]}.`);
}
