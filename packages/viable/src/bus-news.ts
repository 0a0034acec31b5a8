import type { Bus } from "@viable/bus";
import type { Runtime } from "@viable/kernel";
import { rootContext } from "@viable/kernel";
import type { News } from "@viable/log";

const subject = "log.written";

/** Two words are this far apart at least, in milliseconds: one is a message of some bytes. */
const apartMs = 1;

/**
 * Word between processes of what was written to the log, by the bus while that is connected, and otherwise by what the database has for it. One
 * of the two, since whoever hears both would look twice. Who is cut off from the bus alone hears nothing and looks each second, as always (W3).
 */
export function createBusNews(runtime: Runtime, bus: Bus, ofStore: () => News | undefined): News {
  const ctx = rootContext(runtime);
  // One hears one's own word, too.
  const own = runtime.ids.next("prc");
  let unsubscribe = () => {};
  return {
    listen(onNews) {
      // None may make room for another: that might be one's own. To be called twice costs nothing.
      unsubscribe = bus.subscribe(subject, { maxWaiting: 10_000, maxConcurrent: 1 }, (_ctx, { from }) => {
        if (from !== own) onNews();
      });
      ofStore()?.listen(onNews);
    },
    announce() {
      if (bus.stats().connected) bus.publish(ctx, subject, { from: own });
      else ofStore()?.announce();
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
