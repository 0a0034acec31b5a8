// The subject `moleculer`: its HTTP gateway calling an action that does nothing. Nothing is written down anywhere.
import { answerParent } from "../harness/child.ts";
import { loadPeer } from "../harness/load-peer.ts";
import { watchProcess } from "../harness/watch-process.ts";

interface Moleculer {
  readonly ServiceBroker: new (
    options: object,
  ) => {
    createService(schema: object): { server: { address(): { port: number } } };
    start(): Promise<void>;
  };
}

const { ServiceBroker } = loadPeer<Moleculer>("moleculer");
const broker = new ServiceBroker({ logger: false });
broker.createService({
  name: "bench",
  actions: {
    no_op: {
      params: { args: { type: "object", props: { n: "number" } } },
      handler: ({ params }: { params: { args: { n: number } } }) => ({ status: "completed", result: params.args.n }),
    },
  },
});
const gateway = broker.createService({
  name: "api",
  mixins: [loadPeer<object>("moleculer-web")],
  settings: {
    ip: "127.0.0.1",
    port: 0,
    routes: [
      {
        path: "/",
        aliases: { "POST commands": "bench.no_op" },
        bodyParsers: { json: true },
        mappingPolicy: "restrict",
      },
    ],
  },
});
await broker.start();

const url = `http://127.0.0.1:${gateway.server.address().port}`;
answerParent({ ready: () => ({ url }), ...watchProcess() });
