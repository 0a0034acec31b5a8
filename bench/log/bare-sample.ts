import { defaultTenant } from "@viable/kernel";
import type { EventSample } from "../command/two-events.ts";
import { dataOf, typeOf } from "./sample-events.ts";

/** Event number `n` as it is written by hand: encoded anew each time, as whoever has data must. */
export const bareSample = (n: number): EventSample => ({
  streamPrefix: "",
  type: typeOf(n),
  data: JSON.stringify(dataOf(n)),
  metadata: '{"actor":"system"}',
  tenant: defaultTenant,
  session: null,
  correlated: false,
});
