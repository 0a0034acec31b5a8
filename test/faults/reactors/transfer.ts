import { setTimeout } from "node:timers/promises";
import { ViableError } from "@viable/kernel";
import type { Ref, StepContext } from "@viable/reactors";
import { reactor } from "@viable/reactors";
import { z } from "zod";

/** Money that is put to an account, or taken from it. What is in another currency stands at `NAME/foreign`. */
export type Posting = readonly [account: string, amount: number];

/** Whoever does the outside effects, outside our database. */
export interface Bank {
  /** For one call of a step's function: known by the step's key, and by the claim that its process works under as it begins. */
  teller(ctx: StepContext): Teller;
}

export interface Teller {
  /** Done once under its key, however often it is asked for. Rejects where the key was voided. */
  post(postings: readonly Posting[]): Promise<void>;
  /** Takes back what was posted under the key; where nothing was, that is a defect. */
  undo(): Promise<void>;
  /** Takes back what was posted under the key, if anything was, and sees to it that nothing ever is. */
  void(): Promise<void>;
  /**
   * Done as often as it is called. Rejects where somebody with a later claim has asked since what came of it: then whoever calls was
   * held for gone.
   */
  postOnce(postings: readonly Posting[]): Promise<void>;
  /** Whether it was posted; from then on nobody with an earlier claim can. */
  find(): Promise<boolean>;
}

export const transferInput = z.strictObject({
  from: z.string(),
  to: z.string(),
  amount: z.number(),
  fee: z.number(),
  /** What arrives: the amount without the fee. */
  net: z.number(),
  /** The account gives nothing. */
  isRefused: z.boolean(),
  /** So many tries of the fee fail; as many as there are, and it fails for good; more, and it does so at once. */
  feeFailures: z.number(),
  /** How much of the other currency there is for one; 0 where none is bought. */
  rate: z.number(),
  /** Whether the deposit must not be done twice, and is not known by a key. */
  isOnce: z.boolean(),
  /** How long it rests before the deposit, in milliseconds; 0: not. */
  restMs: z.number(),
  /** What it waits for before the deposit, as a key; empty: nothing. */
  awaits: z.string(),
  notifyFails: z.boolean(),
});
export type TransferInput = z.infer<typeof transferInput>;

export const awaitedEvent = "transfer.approved";
export const feeTries = 4;
/** How often an exchange is begun again that has failed. */
export const exchangeRestarts = 2;

/** What fails of an exchange follows from its run's id: the next one may have more luck. */
export function exchangeFails(runId: string): "sell" | "buy" | undefined {
  let sum = 0;
  for (const char of runId) sum = (sum * 31 + char.charCodeAt(0)) % 1_000_003;
  return sum % 5 === 0 ? "sell" : sum % 5 === 1 ? "buy" : undefined;
}

/** What a run does outside, step by step, by the input it began with: what the sink must hold once it has completed. */
export const transferPostings = (input: TransferInput): { readonly [step: string]: readonly Posting[] } => ({
  withdraw: [[input.from, -input.amount]],
  fee: [["fees", input.fee]],
  [depositStep(input)]: [arrival(input, input.rate > 0 ? input.net * input.rate : input.net)],
  notify: [],
});
export const depositStep = ({ isOnce }: TransferInput): string => `delivery:${isOnce ? "once" : "otherwise"}/deposit`;
const arrival = ({ to, rate }: TransferInput, amount: number): Posting => [rate > 0 ? `${to}/foreign` : to, amount];
export interface ExchangeInput {
  readonly net: number;
  readonly rate: number;
}
export const exchangePostings = ({ net, rate }: ExchangeInput) => ({
  sell: [["house", net]] as readonly Posting[],
  buy: [["house/foreign", -net * rate]] as readonly Posting[],
});

const failure = (step: string, retryable: boolean) =>
  new ViableError("test.failed", `${step} fails as it was told to.`, { retryable });

type Choices = Pick<TransferInput, "rate" | "restMs" | "awaits" | "isOnce">;
// Untyped on the way: TypeScript gives up on a switch whose conditions are typed by refs.
const choices = ({ input }: { input: Ref<TransferInput> }): Record<never, never> => ({
  rate: input.rate,
  restMs: input.restMs,
  awaits: input.awaits,
  isOnce: input.isOnce,
});
const chosen = (holds: (choices: Choices) => boolean) => (args: object) => holds(args as Choices);

/**
 * A transfer between accounts: withdraw, then take the fee beside exchanging the money, then rest or wait, deposit and notify. What each
 * run meets is drawn beforehand and stands in its input, so that how it must end is known.
 */
export function defineTransfer(bank: Bank, drawWorkMs: (step: string) => number) {
  // Before and after each effect passes some time, so that a kill and a pause meet both. It does not look at its signal on purpose.
  const post = async (ctx: StepContext, postings: readonly Posting[]) => {
    const teller = bank.teller(ctx);
    await setTimeout(drawWorkMs(ctx.step));
    await teller.post(postings);
    await setTimeout(drawWorkMs(ctx.step));
  };
  const undo = async (ctx: StepContext) => {
    const teller = bank.teller(ctx);
    await setTimeout(drawWorkMs(ctx.step));
    await teller.undo();
    await setTimeout(drawWorkMs(ctx.step));
  };
  const compensate = (ctx: StepContext) => bank.teller(ctx).void();

  const exchange = reactor(
    "exchange",
    { input: z.strictObject({ net: z.number(), rate: z.number() }), reversible: true },
    (steps) =>
      steps
        .step("sell", {
          args: ({ input }) => ({ net: input.net, rate: input.rate }),
          run: async (ctx, args) => {
            await post(ctx, exchangePostings(args).sell);
            if (exchangeFails(ctx.runId) === "sell") throw failure("sell", false);
          },
          undo,
          compensate,
        })
        .step("buy", {
          args: ({ input }) => ({ net: input.net, rate: input.rate }),
          run: async (ctx, args) => {
            if (exchangeFails(ctx.runId) === "buy") throw failure("buy", false);
            await post(ctx, exchangePostings(args).buy);
            return { amount: args.net * args.rate };
          },
          undo,
          compensate,
        })
        .returns(({ results }) => ({ amount: results.buy.amount })),
  );

  const transfer = reactor("transfer", { input: transferInput, reversible: true }, (steps) =>
    steps
      .step("withdraw", {
        args: ({ input }) => ({ input }),
        run: async (ctx, { input }) => {
          if (input.isRefused) throw failure("withdraw", false);
          await post(ctx, transferPostings(input).withdraw as readonly Posting[]);
        },
        undo,
        compensate,
      })
      .step("fee", {
        args: ({ input }) => ({ input }),
        after: ["withdraw"],
        retry: { maxAttempts: feeTries, baseMs: 10, maxMs: 200 },
        run: async (ctx, { input }) => {
          if (input.feeFailures > feeTries) throw failure("fee", false);
          // In the last of its tries it fails after the effect: what was left half done is to be put right.
          if (ctx.attempt <= input.feeFailures && ctx.attempt < feeTries) throw failure("fee", true);
          await post(ctx, transferPostings(input).fee as readonly Posting[]);
          if (ctx.attempt <= input.feeFailures) throw failure("fee", true);
        },
        undo,
        compensate,
      })
      .switch("conversion", {
        args: choices,
        after: ["withdraw"],
        branches: {
          abroad: {
            when: chosen(({ rate }) => rate > 0),
            steps: (inner) =>
              inner
                .compose("exchange", exchange, {
                  args: ({ input }) => ({ net: input.net, rate: input.rate }),
                  onFailure: () => "restart",
                  maxRestarts: exchangeRestarts,
                })
                .returns(({ results }) => ({ amount: results.exchange.amount })),
          },
        },
        otherwise: (inner) => inner.returns(({ input }) => ({ amount: input.net })),
      })
      .switch("timing", {
        args: choices,
        after: ["fee", "conversion"],
        branches: {
          rests: {
            when: chosen(({ restMs }) => restMs > 0),
            steps: (inner) =>
              inner.sleep("rest", { args: ({ input }) => ({ forMs: input.restMs }) }).returns(() => null),
          },
          awaits: {
            when: chosen(({ awaits }) => awaits !== ""),
            steps: (inner) =>
              inner
                .waitFor("word", { event: awaitedEvent, args: ({ input }) => ({ key: input.awaits }) })
                .returns(() => null),
          },
        },
        otherwise: (inner) => inner.returns(() => null),
      })
      .switch("delivery", {
        args: choices,
        after: ["timing"],
        branches: {
          once: {
            when: chosen(({ isOnce }) => isOnce),
            steps: (inner) =>
              inner
                .step("deposit", {
                  args: ({ input, results }) => ({ input, amount: results.conversion.amount }),
                  idempotent: false,
                  run: async (ctx, { input, amount }) => {
                    const teller = bank.teller(ctx);
                    // What goes no further must not begin what nobody can call back.
                    await setTimeout(drawWorkMs(ctx.step), undefined, { signal: ctx.signal });
                    await teller.postOnce([arrival(input, amount)]);
                    await setTimeout(drawWorkMs(ctx.step));
                  },
                  findOutcome: async (ctx) => ((await bank.teller(ctx).find()) ? { result: null } : undefined),
                  undo,
                })
                .returns(() => null),
          },
        },
        otherwise: (inner) =>
          inner
            .step("deposit", {
              args: ({ input, results }) => ({ input, amount: results.conversion.amount }),
              run: (ctx, { input, amount }) => post(ctx, [arrival(input, amount)]),
              undo,
              compensate,
            })
            .returns(() => null),
      })
      .step("notify", {
        args: ({ input }) => ({ notifyFails: input.notifyFails }),
        after: ["delivery"],
        run: async (ctx, { notifyFails }) => {
          if (notifyFails) throw failure("notify", false);
          await post(ctx, []);
        },
      })
      .returns(({ input }) => ({ moved: input.net })),
  );
  return [transfer, exchange];
}
