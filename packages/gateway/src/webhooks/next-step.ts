import type { Random } from "@viable/kernel";
import type { EgressAnswer } from "../egress/create-egress.ts";
import type { Delivery } from "./delivery.ts";

/**
 * The waits between tries: 5 s, three times as long each time, 8 h at most, and a fifth more or less of each, so that those that failed together do
 * not come back together. Twelve tries take 28 hours and a half: whoever mends the receiver at the same hour of the next day misses nothing.
 */
const waits = { firstMs: 5_000, factor: 3, maxMs: 8 * 3_600_000, jitter: 0.2 };
export const maxTries = 12;

/** What a try came to. */
export interface Try {
  readonly answer: EgressAnswer | { readonly ok: false; readonly code: string };
  readonly ms: number;
}

/** What is to be written of it. */
export type NextStep =
  | { readonly kind: "delivered"; readonly attempt: number; readonly ms: number; readonly status: number }
  | {
      readonly kind: "failed";
      readonly attempt: number;
      readonly ms: number;
      readonly status: number | undefined;
      readonly code: string;
      /** Wall time in milliseconds; undefined where it is not tried any more, as `dead` says. */
      readonly retryAt: number | undefined;
      readonly dead: { readonly code: string; readonly message: string } | undefined;
      /** The receiver said that nothing is to be sent there any more. */
      readonly isGone: boolean;
    };

/** Decides what a try has come to, and when the next is (W8: of nothing but its arguments). */
export function nextStep(before: Delivery, { answer, ms: took }: Try, now: number, random: Random): NextStep {
  const attempt = before.attempts + 1;
  const ms = Math.round(took);
  const status = answer.ok ? answer.status : undefined;
  // Nothing but 2xx is a receipt: who redirects has not taken it, and following would lead where nobody judged.
  if (status !== undefined && status >= 200 && status < 300) return { kind: "delivered", attempt, ms, status };
  const code = answer.ok ? codeOfStatus(answer.status) : answer.code;
  const failure = { kind: "failed" as const, attempt, ms, status, code };
  if (status === 410)
    return {
      ...failure,
      retryAt: undefined,
      dead: { code: "webhook.gone", message: "The receiver answered 410: nothing is to be sent there any more." },
      isGone: true,
    };
  const failures = before.failures + 1;
  if (failures >= maxTries)
    return {
      ...failure,
      retryAt: undefined,
      dead: { code: "webhook.undeliverable", message: `All ${maxTries} tries failed, the last with ${code}.` },
      isGone: false,
    };
  const asked = answer.ok ? retryAfterMs(answer.retryAfter, now) : 0;
  const waitMs = Math.max(waitAfter(failures, random), asked);
  return { ...failure, retryAt: Math.ceil(now + waitMs), dead: undefined, isGone: false };
}

function codeOfStatus(status: number): string {
  if (status === 410) return "webhook.gone";
  return status >= 300 && status < 400 ? "webhook.redirected" : "webhook.status";
}

function waitAfter(failures: number, random: Random): number {
  const { firstMs, factor, maxMs, jitter } = waits;
  const waitMs = Math.min(firstMs * factor ** (failures - 1), maxMs);
  return waitMs * (1 - jitter + 2 * jitter * random.next());
}

/** How long a receiver asks to be left alone (RFC 9110: seconds, or a date), within what we wait at most; 0 where it asks for nothing. */
function retryAfterMs(header: string | undefined, now: number): number {
  if (header === undefined) return 0;
  const ms = /^\d{1,9}$/.test(header.trim()) ? Number(header) * 1_000 : Date.parse(header) - now;
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), waits.maxMs) : 0;
}
