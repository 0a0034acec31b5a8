import type { ErrorOnTheWire } from "@viable/kernel";
import type { RunEvent } from "@viable/protocol";

/** An event of a run as a short line: what happened, to which step, and what a reader of a test needs to know besides. */
export function describeEvent(event: RunEvent): string {
  switch (event.type) {
    case "step.succeeded": {
      const { step, by, attempt } = event.data;
      return `${event.type} ${step}${by === undefined ? "" : ` by ${by}`}${attempt === undefined ? "" : `, attempt ${attempt}`}`;
    }
    case "step.failed": {
      const { step, attempt, error, retryAt } = event.data;
      return `${event.type} ${step}, attempt ${attempt}: ${say(error)}${retryAt === undefined ? "" : ", again later"}`;
    }
    case "step.undo_failed": {
      const { step, attempt, error, retryAt } = event.data;
      return `${event.type} ${step}, attempt ${attempt}: ${say(error)}${retryAt === undefined ? "" : ", again later"}`;
    }
    case "step.started":
      return `${event.type} ${event.data.step}, attempt ${event.data.attempt}${event.data.during === undefined ? "" : ` (${event.data.during})`}`;
    case "step.waiting": {
      const { step, wait } = event.data;
      return `${event.type} ${step} for ${wait.for === "event" ? `${wait.event}` : wait.for}`;
    }
    case "step.branched":
      return `${event.type} ${event.data.step} to ${event.data.branch}`;
    case "step.repeated":
      return `${event.type} ${event.data.step}, turn ${event.data.turn}`;
    case "step.skipped":
    case "step.compensated":
    case "step.undone":
      return `${event.type} ${event.data.step}`;
    case "approval.decided":
      return `${event.type} ${event.data.decision} by ${event.data.by}`;
    case "run.needs_review":
      return `${event.type} ${event.data.step} (${event.data.during}): ${event.data.reason}`;
    case "run.reviewed":
      return `${event.type} ${event.data.step}: ${event.data.decision}`;
    case "run.failed":
      return `${event.type}: ${say(event.data.error)}`;
    case "run.undoing":
    case "run.compensated": {
      const { kind, step } = event.data.cause;
      return `${event.type}: ${kind}${step === undefined ? "" : ` ${step}`}`;
    }
    default:
      return event.type;
  }
}

const say = ({ code, message }: ErrorOnTheWire): string => (code === "internal" ? message : code);
