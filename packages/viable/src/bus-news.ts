import type { Bus } from "@viable/bus";
import type { Context, JsonObject, Runtime } from "@viable/kernel";
import { codeOf, rootContext } from "@viable/kernel";
import type { Log, News, Word, WrittenEvent, WrittenEvents } from "@viable/log";
import type { TextSigner } from "@viable/security";
import { createTextSigner, openSystemKey } from "@viable/security";

const subject = "log.written";
/** What the events of a word are signed for. The number is that of their form: those of another release are looked up. */
const purpose = "log.written/1";

/** Two words need not be apart: one is a message of some bytes, or of what it carries, and there are no more than flushes. */
const apartMs = 0;

export interface BusNews extends News {
  /** From now on events are told themselves, and such that others told are taken: the log is open, and holds what they are signed with. */
  open(ctx: Context, log: Log): Promise<void>;
}

/**
 * Word between processes of what was written to the log, by the bus while that is connected, and otherwise by what the database has for it. One
 * of the two, since whoever hears both would look twice. Who is cut off from the bus alone hears nothing and looks each second, as always (W3).
 *
 * Events that a word carries are what their writer read from no one and the database answered for; they are signed, since on the bus may speak
 * who must not write to the log (W4). What is not signed, or not in this form, says no more than that there is something.
 */
export function createBusNews(runtime: Runtime, bus: Bus, ofStore: () => News | undefined): BusNews {
  const ctx = rootContext(runtime);
  // One hears one's own word, too.
  const own = runtime.ids.next("prc");
  let signer: TextSigner | undefined;
  let unsubscribe = () => {};
  return {
    async open(openCtx, log) {
      signer = createTextSigner(await openSystemKey(openCtx, log), purpose);
    },
    listen(onNews) {
      // None may make room for another: that might be one's own. To be called twice costs nothing.
      unsubscribe = bus.subscribe(subject, { maxWaiting: 10_000, maxConcurrent: 1 }, (_ctx, message) => {
        if (message.from !== own) onNews(readWord(message, signer));
      });
      ofStore()?.listen(onNews);
    },
    announce(word) {
      if (!bus.stats().connected) return ofStore()?.announce(word);
      try {
        bus.publish(ctx, subject, { from: own, ...writeWord(word, signer) });
      } catch (error) {
        if (codeOf(error) !== "bus.invalid_message") throw error;
        // A broker may have less room than the bus asks for.
        bus.publish(ctx, subject, { from: own, records: word.records, events: "many" });
      }
    },
    get apartMs() {
      return bus.stats().connected ? apartMs : (ofStore()?.apartMs ?? apartMs);
    },
    async stop() {
      unsubscribe();
      await ofStore()?.stop();
    },
  };
}

function writeWord({ events, records }: Word, signer: TextSigner | undefined): JsonObject {
  if (events === "none") return { records };
  if (events === "many" || signer === undefined) return { records, events: "many" };
  const text = JSON.stringify([events.from, events.afterId, events.events.map(toParts)]);
  return { records, events: text, signature: signer.sign(text) };
}

/** What was told; undefined where it is not known, and everything is to be looked for. */
function readWord({ records, events, signature }: JsonObject, signer: TextSigner | undefined): Word | undefined {
  if (typeof records !== "boolean") return undefined;
  if (events === undefined) return { events: "none", records };
  const isSigned = typeof events === "string" && typeof signature === "string" && signer?.isSigned(events, signature);
  return { events: isSigned ? readEvents(events) : "many", records };
}

/** Whoever has the key wrote them so, in the form of `purpose`. */
function readEvents(text: string): WrittenEvents {
  const [from, afterId, events] = JSON.parse(text) as [number, string, Parts[]];
  return { from, afterId, events: events.map(fromParts) };
}

/** An event without the names of its parts, which would be as long as many of them. */
type Parts = readonly [
  stream: string,
  version: number,
  id: string,
  type: string,
  data: string,
  tenant: string,
  session: string | null,
  correlation: string | null,
  metadata: string,
  time: number,
];

const toParts = ({ stream, version, event }: WrittenEvent): Parts => {
  const { id, type, data, tenant, session, correlation, metadata, time } = event;
  return [stream, version, id, type, data, tenant, session, correlation, metadata, time];
};

const fromParts = ([stream, version, ...rest]: Parts): WrittenEvent => {
  const [id, type, data, tenant, session, correlation, metadata, time] = rest;
  return { stream, version, event: { id, type, data, tenant, session, correlation, metadata, time } };
};
