import { AuthorizationError, UserAuthenticationExpiredError } from "@nats-io/nats-core";
import { ViableError } from "@viable/kernel";

/** `bus.invalid_servers`: the servers or what they are to be told cannot be used. A bus is not made of it. */
export const invalidServers = (reason: string): ViableError =>
  new ViableError("bus.invalid_servers", `The servers of the bus cannot be used: ${reason}.`, {
    next: "Write nats://HOST:PORT, with nats://USER:PASSWORD@HOST or nats://TOKEN@HOST where the server asks who comes, one or more.",
  });

/** `bus.disconnected`: no NATS answers. What was asked was not sent, or its answer is lost. */
export const disconnected = (what: string, cause?: unknown): ViableError =>
  new ViableError("bus.disconnected", what, {
    retryable: true,
    next: "Ask again later; if it goes on, look whether the NATS servers run and can be reached, and whether their log calls this process a slow consumer.",
    cause,
  });

/** `bus.not_authorized`: NATS answers, and lets nobody in with these credentials. */
const notAuthorized = (server: string, cause: unknown): ViableError =>
  new ViableError("bus.not_authorized", `The NATS at ${server} refuses the credentials that it was given.`, {
    next: "Look at user and password, token or creds. The bus goes on trying, so it also helps to set them right at the server.",
    cause,
  });

/** `bus.not_permitted`: this account may not publish or subscribe to a subject of the bus. */
export const notPermitted = (operation: string, subject: string): ViableError =>
  new ViableError("bus.not_permitted", `NATS does not permit the ${operation} of ${subject.slice(0, 300)}.`, {
    next: "Permit this account to publish and subscribe to PREFIX.>, where PREFIX is that of the bus.",
  });

/**
 * `bus.slow_consumer`: NATS could not get rid of what is for this process, and closes the connection. Many servers close without saying so
 * (2.9 is one), which is then told as `bus.disconnected`.
 */
export const slowConsumer = (): ViableError =>
  new ViableError("bus.slow_consumer", "This process does not read fast enough what NATS has for it.", {
    next: "See what keeps its thread busy, subscribe to less, or spread the work over more processes.",
  });

/** `bus.server_error`: NATS said something else was wrong. */
export const serverError = (cause: unknown): ViableError =>
  new ViableError("bus.server_error", "NATS reports an error.", { cause });

/** `bus.overloaded`: more is on its way than this bus keeps account of. The request was not sent. */
export const overloaded = (what: string): ViableError =>
  new ViableError("bus.overloaded", what, {
    retryable: true,
    next: "Ask again later, or let fewer ask at a time.",
  });

/** Why there is no connection, to whoever looks after it. */
export function explainLoss(server: string, thrown: unknown): ViableError {
  if (thrown instanceof AuthorizationError || thrown instanceof UserAuthenticationExpiredError) {
    return notAuthorized(server, thrown);
  }
  return disconnected(`There is no connection to the NATS at ${server}.`, thrown ?? undefined);
}
