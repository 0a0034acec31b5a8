export type {
  CapabilityEventData,
  CapabilityMinted,
  CapabilityPage,
  CapabilityView,
  DailyWindow,
  MintCapability,
  OwnCapability,
  Restrictions,
} from "./capability.ts";
export {
  addressPattern,
  capabilityEvents,
  capabilityMinted,
  capabilityPage,
  capabilityView,
  dailyWindow,
  mintCapability,
  ownCapability,
  restrictions,
} from "./capability.ts";
export type { ClaimPage } from "./claim.ts";
export { claimPage } from "./claim.ts";
export type { CloudEvent } from "./cloud-event.ts";
export { cloudEvent, cloudEventBatch, cloudEventsBatchType } from "./cloud-event.ts";
export type { CommandAnswer, CommandDescriptor, CommandList, CommandMode, SendCommand } from "./command.ts";
export { commandAnswer, commandDescriptor, commandList, commandMode, maxDeadlineMs, sendCommand } from "./command.ts";
export type {
  Confirmation,
  CoordinationEventData,
  CoordinationView,
  RequestCoordination,
} from "./coordination.ts";
export { confirmation, coordinationEvents, coordinationView, requestCoordination } from "./coordination.ts";
export type { EventPage, EventView, ExecutionEventPage } from "./event.ts";
export { eventPage, eventView, executionEventPage, feedHeartbeatMs } from "./event.ts";
export type {
  Claim,
  ExecutionEventData,
  ExecutionEventType,
  ExecutionPage,
  ExecutionStatus,
  ExecutionView,
  OutcomeStatus,
  Progress,
  RouteCandidate,
  RouteDecision,
  UndecodableExecutionView,
} from "./execution.ts";
export {
  executionEvents,
  executionPage,
  executionStatus,
  executionView,
  isOutcome,
  jsonValue,
  maxHops,
  outcomeStatuses,
  undecodableExecutionView,
  workEvents,
} from "./execution.ts";
export { glossary } from "./glossary.ts";
export type { HealthView } from "./health.ts";
export { healthView, readiness } from "./health.ts";
export type { FieldProblem, Problem } from "./problem.ts";
export { errorOnTheWire, fieldProblem, problem, toFieldProblems } from "./problem.ts";
export type { ProjectionList, ProjectionView } from "./projection.ts";
export { projectionList } from "./projection.ts";
export type { AskQuery, QueryAnswer, QueryDescriptor, QueryList } from "./query.ts";
export { askQuery, maxQueryMs, queryAnswer, queryDescriptor, queryList } from "./query.ts";
export type {
  ReviewDecision,
  ReviewDuring,
  RunEvent,
  RunEventData,
  RunEventType,
  RunStatus,
  StepWait,
  UndoCause,
} from "./run.ts";
export { awaitedEvents, endedRunStatuses, isEndedRun, reviewDecision, runEvents, runStatus } from "./run.ts";
export type {
  ApprovalList,
  ApprovalView,
  ReactorList,
  ReactorView,
  RunPage,
  RunStepStatus,
  RunStepView,
  RunSummary,
  RunView,
  RunWaitView,
  ScheduleView,
  UndecodableRun,
} from "./run-view.ts";
export {
  approvalList,
  approvalView,
  maxViewedSteps,
  reactorList,
  runPage,
  runStepStatus,
  runView,
} from "./run-view.ts";
export type {
  ClientType,
  CreateSession,
  GrantView,
  Operation,
  SessionCreated,
  SessionEventData,
  SessionList,
  SessionStatus,
  SessionView,
  SuspendSession,
} from "./session.ts";
export {
  clientType,
  createSession,
  grantView,
  operation,
  sessionCreated,
  sessionEvents,
  sessionList,
  sessionStatus,
  sessionView,
  suspendSession,
} from "./session.ts";
export type { ExportAccepted, ExportFormat, RequestExport } from "./session-export.ts";
export { exportAccepted, exportEvents, exportFormat, requestExport, sessionExport } from "./session-export.ts";
export type { PresentClient, SessionPresenceView } from "./session-presence.ts";
export { maxNamedClients, sessionPresence } from "./session-presence.ts";
export type { JoinSession, SessionJoined, SessionShared, ShareSession } from "./sharing.ts";
export { joinSession, sessionJoined, sessionShared, shareSession, sharingEvents } from "./sharing.ts";
export type { ClientFrame, ClientFrameInput, ServerFrame } from "./socket.ts";
export {
  clientFrame,
  maxSocketFrames,
  maxSocketJoins,
  maxSocketMessageBytes,
  maxUnacknowledgedEvents,
  serverFrame,
  socketClose,
  socketProtocol,
  socketTokenPrefix,
} from "./socket.ts";
export type {
  DeadLetter,
  DeadLetterData,
  DeadLetterPage,
  Discovery,
  MemoryEntryView,
  MemoryPage,
  MigrationRule,
  Registration,
  RegistryMetrics,
  RegistryStats,
  SwarmMeasurement,
  SwarmView,
  Traffic,
} from "./swarm.ts";
export {
  deadLetterEvents,
  deadLetterPage,
  discovery,
  memoryEntry,
  memoryPage,
  migrationRule,
  registration,
  registryMetrics,
  swarmMeasurement,
  swarmView,
} from "./swarm.ts";
export type {
  ServiceSwarms,
  StoredSwarmSample,
  SwarmHealth,
  SwarmHealthChange,
  SwarmHealthChangeData,
  SwarmHealthRecord,
  SwarmHistory,
  SwarmReport,
  SwarmReportList,
  SwarmSample,
} from "./swarm-health.ts";
export {
  serviceSwarms,
  swarmHealthEvents,
  swarmHealthRecord,
  swarmHistory,
  swarmReportList,
} from "./swarm-health.ts";
export type { CredentialView, Invitation, KeyView, LoggedIn, LogIn, Role, RoleSettings, UserView } from "./user.ts";
export {
  accountName,
  createKey,
  credentialChanged,
  credentialEvents,
  credentialList,
  invitation,
  keyCreated,
  keyList,
  loggedIn,
  loggedOut,
  logIn,
  passwordSet,
  roleShape,
  setCredential,
  setPassword,
  userEvents,
  userList,
  userRoles,
  userView,
} from "./user.ts";
export type { ViolationData } from "./violation.ts";
export { violationEvents } from "./violation.ts";
export type {
  WebhookApproval,
  WebhookEventData,
  WebhookEventType,
  WebhookMessage,
  WebhookPage,
  WebhookTopic,
  WebhookView,
} from "./webhook.ts";
export { webhookEvents, webhookMessage, webhookPage } from "./webhook.ts";
