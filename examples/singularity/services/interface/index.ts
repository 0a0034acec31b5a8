import { service } from "viable";
import { chartRenderer } from "./agents/chart-renderer.ts";
import { conversation } from "./agents/conversation.ts";
import { reportRenderer } from "./agents/report-renderer.ts";
import { requestRouter } from "./agents/request-router.ts";
import { tableRenderer } from "./agents/table-renderer.ts";

/** What people see and say: the gateway of the other services' interfaces. */
export const interfaceService = service({
  name: "interface",
  description: "UI and API gateway: renders results for people, understands what they ask, hands on what programs ask",
  port: 4006,
  agents: [reportRenderer, tableRenderer, chartRenderer, conversation, requestRouter],
});
