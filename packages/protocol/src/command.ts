import { z } from "zod";
import { executionStatus, jsonValue, outcomeStatuses } from "./execution.ts";
import { errorOnTheWire } from "./problem.ts";

/** How long a caller waits: `sync` until the outcome, `async` not at all, `auto` two seconds. */
export const commandMode = z.enum(["sync", "async", "auto"]);
export type CommandMode = z.infer<typeof commandMode>;

/** The longest deadline a caller may ask for: a day, in milliseconds. What takes longer is a reactor's business. */
export const maxDeadlineMs = 24 * 3_600_000;

export const sendCommand = z.strictObject({
  command: z.string().min(1).max(200),
  args: z.record(z.string(), jsonValue).default({}),
  mode: commandMode.default("auto"),
  deadlineMs: z.number().int().min(1).max(maxDeadlineMs).optional(),
  /** Where the outcome is sent to, signed, and word that a person is waited for. */
  webhookUrl: z.string().min(1).max(2_048).optional(),
});
export type SendCommand = z.input<typeof sendCommand>;

/** 200: there is a result. */
const commandCompleted = z.object({
  status: z.literal("completed"),
  executionId: z.string(),
  result: jsonValue,
});
/** 200: it ended, and not with a result. The command was accepted, so this is its recorded outcome, not an error of the request. */
const commandEnded = z.object({
  status: z.enum(outcomeStatuses).exclude(["completed"]),
  executionId: z.string(),
  error: errorOnTheWire,
});
/** 202: under way; look at `pollUrl` or at the session's events. */
const commandPending = z.object({
  status: executionStatus.exclude(outcomeStatuses),
  executionId: z.string(),
  pollUrl: z.string(),
  /** What a person is asked to decide before it begins. */
  approvalId: z.string().optional(),
});
export const commandAnswer = z.union([commandCompleted, commandEnded, commandPending]);
export type CommandAnswer = z.infer<typeof commandAnswer>;

/** A command as the list of commands shows it. */
export const commandDescriptor = z.object({
  command: z.string(),
  description: z.string(),
  services: z.array(z.string()),
  risk: z.enum(["low", "medium", "high"]),
  /** It waits for a person's approval before it begins. */
  needsApproval: z.literal(true).optional(),
  /** JSON Schema of the arguments. */
  input: z.record(z.string(), z.json()),
  timeoutMs: z.number(),
  joinable: z.boolean(),
  /** For how long a result answers equal tasks after it, in milliseconds; absent where each is done anew. */
  rememberMs: z.number().optional(),
  /** Whether a swarm offers it at present. */
  available: z.boolean(),
});
export type CommandDescriptor = z.infer<typeof commandDescriptor>;

export const commandList = z.object({ commands: z.array(commandDescriptor) });
export type CommandList = z.infer<typeof commandList>;
