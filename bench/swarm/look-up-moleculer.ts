// The subject `moleculer` of look-ups: a broker that was told of so many nodes, as their packets tell of them, and chooses one for a call.
import { answerParent, readSettings } from "../harness/child.ts";
import { loadPeer } from "../harness/load-peer.ts";
import { liveHeapMb } from "../reactors/memory-use.ts";
import type { LookUpShape } from "./look-up-load.ts";
import { capabilitiesOf, timeLookUps } from "./look-up-load.ts";

interface Broker {
  readonly registry: { processNodeInfo(packet: object): unknown };
  start(): Promise<void>;
  findNextActionEndpoint(name: string, options: object, ctx: undefined): { readonly id?: string } | Error;
}

const shape = readSettings<LookUpShape>();
const { ServiceBroker } = loadPeer<{ readonly ServiceBroker: new (options: object) => Broker }>("moleculer");
const broker = new ServiceBroker({ logger: false });
await broker.start();
const beforeMb = liveHeapMb();
for (let swarm = 0; swarm < shape.swarms; swarm++) {
  const sender = `swarm-${swarm}`;
  const name = `s${swarm}`;
  const names = capabilitiesOf(shape, swarm).map((capability) => [
    capability,
    { name: capability, rawName: capability },
  ]);
  broker.registry.processNodeInfo({
    ver: "5",
    sender,
    instanceID: sender,
    services: [{ name, fullName: name, settings: {}, metadata: {}, actions: Object.fromEntries(names), events: {} }],
    ipList: ["127.0.0.1"],
    hostname: "bench",
    client: { type: "nodejs", version: "0.15.2", langVersion: "24" },
    config: {},
    metadata: {},
    seq: 1,
  });
}
const heldMb = liveHeapMb() - beforeMb;

answerParent({
  ready: () => true,
  lookUp: () =>
    timeLookUps(shape, (capability) => {
      const found = broker.findNextActionEndpoint(capability, {}, undefined);
      return found instanceof Error ? undefined : found.id;
    }),
  heldMb: () => heldMb,
});
