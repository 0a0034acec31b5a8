import type { NatsConnection, Status } from "@nats-io/nats-core";
import { AuthorizationError, PermissionViolationError, UserAuthenticationExpiredError } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import type { Backoff, Context, Runtime, Timer, ViableError } from "@viable/kernel";
import { backoffMs, waitFor, withContext } from "@viable/kernel";
import type { NatsServers } from "./credentials.ts";
import { explainLoss, notPermitted, serverError, slowConsumer } from "./errors.ts";

/** How long one server may take to let us in, in milliseconds: across an ocean it takes half of one. */
const connectTimeoutMs = 2_000;
/** How often the server is asked whether it is there, in milliseconds. The client gives up when two go unanswered: after some six seconds. */
const pingEveryMs = 2_000;
/**
 * From a tenth of a second, by which a server that was started anew is there again, to five: those who were waiting are not many seconds
 * behind when it is. For ever, since a bus that had given up would be missing until somebody noticed.
 */
const backoff: Backoff = { baseMs: 100, maxMs: 5_000, maxAttempts: Number.POSITIVE_INFINITY };
/** A connection that lasted this long was one; before, its end counts as another failure, or a server that closes at once is asked all the time. */
const stableMs = 5_000;
/** Of the addresses that a cluster tells, as many are kept: it is found again by any one. */
const maxLearned = 64;
/** How many different things are told of one outage: what goes wrong with a server goes wrong in few ways. */
const maxTold = 50;

export interface NatsLinkOptions {
  readonly servers: NatsServers;
  /** What the server calls this connection. */
  readonly name: string;
  /** There is a connection: subscriptions are made here, before anything else. */
  readonly onConnected: (connection: NatsConnection) => void;
  /** There is none any more. Not called at the end. */
  readonly onLost: () => void;
  readonly onProblem: (problem: ViableError) => void;
}

/**
 * The connection to one of the servers, made again for as long as it takes. One server is asked after the other, then there is a pause. The
 * client could do this by itself: then it would keep what is published meanwhile without bound, and wait by the machine's clock.
 *
 * States: stopped → connecting ⇄ pausing; connecting → connected → connecting …; from each → stopped. What is told of an outage is told once.
 */
export class NatsLink {
  readonly #runtime: Runtime;
  readonly #options: NatsLinkOptions;
  readonly #told = new Set<string>();
  #learned: readonly string[] = [];
  #state: "stopped" | "connecting" | "pausing" | "connected" = "stopped";
  #connection: NatsConnection | undefined;
  #connectedAtMs = 0;
  #failures = 0;
  #pause: Timer | undefined;
  #attempt: Promise<void> = Promise.resolve();
  /** Counts starts and stops, so that what an earlier life began does not act on a later one. */
  #life = 0;

  constructor(runtime: Runtime, options: NatsLinkOptions) {
    this.#runtime = runtime;
    this.#options = options;
  }

  /** Resolves when each server was asked once, or the context ends; whether one answered is told otherwise. */
  async start(ctx: Context): Promise<void> {
    if (this.#state === "stopped") {
      this.#life += 1;
      this.#failures = 0;
      this.#told.clear();
      this.#connect(undefined);
    }
    // Who starts does not need the connection: it comes when it comes.
    await waitFor(ctx, this.#attempt).catch(() => {});
  }

  /** Ends at once, but for what is already written: that is sent within the context, and no longer than `drainMs`. */
  async stop(ctx: Context, drainMs: number): Promise<void> {
    if (this.#state === "stopped") return;
    this.#state = "stopped";
    this.#life += 1;
    this.#pause?.cancel();
    const connection = this.#connection;
    this.#connection = undefined;
    const bounded = withContext(ctx, { deadline: this.#runtime.clock.now() + drainMs });
    if (connection !== undefined) await waitFor(bounded, connection.flush()).catch(() => {});
    await connection?.close();
    await waitFor(bounded, this.#attempt).catch(() => {});
  }

  #connect(lost: string | undefined): void {
    this.#state = "connecting";
    this.#attempt = this.#askEach(this.#life, this.#inTurn(lost));
  }

  /** In an order drawn by chance, so that those who lost one server do not all come to the next; the one that was lost comes last. */
  #inTurn(lost: string | undefined): string[] {
    // A certificate names hosts, and a cluster tells addresses: with TLS we keep to those that were named.
    const learned = this.#options.servers.tls === undefined ? this.#learned : [];
    const all = [...new Set([...this.#options.servers.addresses, ...learned])];
    const drawn = all.map((address) => ({ address, at: address === lost ? 1 : this.#runtime.random.next() }));
    return drawn.sort((a, b) => a.at - b.at).map(({ address }) => address);
  }

  async #askEach(life: number, addresses: readonly string[]): Promise<void> {
    let problem: ViableError | undefined;
    for (const address of addresses) {
      try {
        const connection = await this.#dial(address);
        if (life === this.#life) this.#connected(connection, address);
        else await connection.close();
        return;
      } catch (error) {
        if (life !== this.#life) return;
        const explained = explainLoss(address, error);
        // That one lets nobody in says more than that another does not answer.
        if (problem?.code !== "bus.not_authorized") problem = explained;
      }
    }
    this.#failures += 1;
    this.#pauseThenConnect(undefined);
    if (problem !== undefined) this.#tell(problem.code, problem);
  }

  #pauseThenConnect(lost: string | undefined): void {
    this.#state = "pausing";
    const delayMs = backoffMs(backoff, Math.max(1, this.#failures), this.#runtime.random) ?? backoff.maxMs;
    this.#pause = this.#runtime.clock.setTimer(() => this.#connect(lost), delayMs, { background: true });
  }

  #dial(address: string): Promise<NatsConnection> {
    const { user, pass, token, authenticator, tls } = this.#options.servers;
    return connect({
      servers: [address],
      name: this.#options.name,
      reconnect: false,
      timeout: connectTimeoutMs,
      pingInterval: pingEveryMs,
      noAsyncTraces: true,
      ...(user !== undefined && { user }),
      ...(pass !== undefined && { pass }),
      ...(token !== undefined && { token }),
      ...(authenticator !== undefined && { authenticator }),
      ...(tls !== undefined && { tls }),
    });
  }

  #connected(connection: NatsConnection, address: string): void {
    this.#state = "connected";
    this.#connection = connection;
    this.#connectedAtMs = this.#runtime.clock.monotonicMs();
    this.#learn(connection);
    void this.#listen(connection);
    void connection.closed().then((error) => this.#lost(connection, address, error ?? undefined));
    this.#options.onConnected(connection);
  }

  #lost(connection: NatsConnection, address: string, error: Error | undefined): void {
    if (connection !== this.#connection) return;
    this.#connection = undefined;
    if (this.#runtime.clock.monotonicMs() - this.#connectedAtMs >= stableMs) {
      this.#failures = 0;
      this.#told.clear();
    } else {
      this.#failures += 1;
    }
    this.#options.onLost();
    if (this.#state === "connected") this.#pauseThenConnect(address);
    const problem = explainLoss(address, error);
    this.#tell(problem.code, problem);
  }

  async #listen(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === "update") this.#learn(connection);
      this.#hear(status);
    }
  }

  /** While it is open: the client forgets with the connection what was told over it. */
  #learn(connection: NatsConnection): void {
    this.#learned = connection.info?.connect_urls?.slice(0, maxLearned) ?? this.#learned;
  }

  #hear(status: Status): void {
    if (status.type !== "error") return;
    const { error } = status;
    // The connection ends with it, which is told.
    if (error instanceof AuthorizationError || error instanceof UserAuthenticationExpiredError) return;
    if (error instanceof PermissionViolationError) {
      this.#tell(error.message, notPermitted(error.operation, error.subject));
    } else if (/slow consumer/i.test(error.message)) this.#tell("slow consumer", slowConsumer());
    else this.#tell(error.message, serverError(error));
  }

  #tell(what: string, problem: ViableError): void {
    if (this.#told.has(what) || this.#told.size >= maxTold) return;
    this.#told.add(what);
    this.#options.onProblem(problem);
  }
}
