import { argon2, timingSafeEqual } from "node:crypto";
import type { Context } from "@viable/kernel";
import { BoundedQueue, throwIfDone } from "@viable/kernel";

/** What hashing a password costs: kept with each hash, so that it can be raised and hashes of before still be read. */
export interface PasswordCost {
  readonly memoryKib: number;
  readonly passes: number;
  readonly lanes: number;
}

/** OWASP's first choice for Argon2id (Password Storage Cheat Sheet): 19 MiB, two passes, one lane; some 40 ms of one core. */
export const defaultPasswordCost: PasswordCost = { memoryKib: 19 * 1_024, passes: 2, lanes: 1 };
/** No hash that is read asks for more than this, whoever wrote it. */
const maxCost: PasswordCost = { memoryKib: 256 * 1_024, passes: 16, lanes: 16 };

/** At once: they run on Node's pool of four threads, and half of it is left to files. */
const maxAtOnce = 2;
/** Waiting for their turn: some 40 ms each by two, so a third of a second for the last. More are told to come again. */
const maxWaiting = 16;
const retryAfterMs = 1_000;
/** 128 bits of salt and 256 of hash, as RFC 9106 recommends. */
const saltBytes = 16;
const hashBytes = 32;

/** Derives a hash, off the main thread. */
export type Derive = (password: string, salt: Uint8Array, cost: PasswordCost) => Promise<Uint8Array>;

type Busy = { readonly ok: false; readonly reason: "busy"; readonly retryAfterMs: number };

export interface Passwords {
  /** A new hash, as text in the PHC form: what it cost stands in it. */
  hash(ctx: Context, password: string): Promise<{ readonly ok: true; readonly hash: string } | Busy>;
  /**
   * Whether it is the password of a hash; undefined for a user who is not there or has none, which costs the same and is never right. `isOutdated`: the
   * hash cost less than one would today.
   */
  verify(
    ctx: Context,
    password: string,
    hash: string | undefined,
  ): Promise<{ readonly ok: true; readonly isRight: boolean; readonly isOutdated: boolean } | Busy>;
}

export interface PasswordsSettings {
  readonly cost?: PasswordCost;
  readonly derive?: Derive;
}

/** Promised: at most two hashes at once and sixteen waiting, whoever asks (W10); the main thread goes on. */
export function createPasswords({
  cost = defaultPasswordCost,
  derive = deriveArgon2,
}: PasswordsSettings = {}): Passwords {
  let running = 0;
  const waiting = new BoundedQueue<() => void>(maxWaiting);

  const inTurn = async <T>(
    ctx: Context,
    act: () => Promise<T>,
  ): Promise<{ readonly ok: true; readonly value: T } | Busy> => {
    if (running >= maxAtOnce) {
      const turn = Promise.withResolvers<void>();
      if (!waiting.offer(turn.resolve)) return { ok: false, reason: "busy", retryAfterMs };
      // The place is handed over: it is not free in between.
      await turn.promise;
    } else running += 1;
    try {
      throwIfDone(ctx);
      return { ok: true, value: await act() };
    } finally {
      const next = waiting.take();
      if (next === undefined) running -= 1;
      else next();
    }
  };

  return {
    async hash(ctx, password) {
      const salt = ctx.runtime.random.bytes(saltBytes);
      const derived = await inTurn(ctx, () => derive(normalize(password), salt, cost));
      return derived.ok ? { ok: true, hash: format(cost, salt, derived.value) } : derived;
    },
    async verify(ctx, password, hash) {
      const kept = hash === undefined ? undefined : parse(hash);
      const salt = kept?.salt ?? ctx.runtime.random.bytes(saltBytes);
      const derived = await inTurn(ctx, () => derive(normalize(password), salt, kept?.cost ?? cost));
      if (!derived.ok) return derived;
      const isRight = timingSafeEqual(derived.value, kept?.hash ?? new Uint8Array(hashBytes)) && kept !== undefined;
      const isOutdated =
        kept !== undefined &&
        (kept.cost.memoryKib < cost.memoryKib || kept.cost.passes < cost.passes || kept.cost.lanes < cost.lanes);
      return { ok: true, isRight, isOutdated };
    },
  };
}

/** The same characters typed on another keyboard are the same password (NIST SP 800-63B, 5.1.1.2). */
const normalize = (password: string): string => password.normalize("NFKC");

/** Node's own, of OpenSSL: no package, no binary of another's, and on the pool of threads. */
const deriveArgon2: Derive = (message, nonce, { memoryKib: memory, passes, lanes: parallelism }) =>
  new Promise((resolve, reject) => {
    argon2("argon2id", { message, nonce, memory, passes, parallelism, tagLength: hashBytes }, (error, hash) =>
      error ? reject(error) : resolve(hash),
    );
  });

const toText = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64").replace(/=+$/, "");

/** The PHC string format (github.com/P-H-C/phc-string-format), which other systems read too. */
const format = ({ memoryKib, passes, lanes }: PasswordCost, salt: Uint8Array, hash: Uint8Array): string =>
  `$argon2id$v=19$m=${memoryKib},t=${passes},p=${lanes}$${toText(salt)}$${toText(hash)}`;

const form = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

/** Undefined for what is none of these, or asks for too much: nobody's password is right for it. */
function parse(text: string): { cost: PasswordCost; salt: Uint8Array; hash: Uint8Array } | undefined {
  const [, memory, passes, lanes, salt = "", hash = ""] = form.exec(text) ?? [];
  const cost = { memoryKib: Number(memory), passes: Number(passes), lanes: Number(lanes) };
  const isBounded = cost.memoryKib <= maxCost.memoryKib && cost.passes <= maxCost.passes && cost.lanes <= maxCost.lanes;
  const bytes = Buffer.from(hash, "base64");
  return isBounded && bytes.length === hashBytes ? { cost, salt: Buffer.from(salt, "base64"), hash: bytes } : undefined;
}
