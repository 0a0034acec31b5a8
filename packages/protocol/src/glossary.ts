/** The words of the house, one sentence each. Where a word has a meaning in the field, ours is that one. */
export const glossary = {
  system: "Everything one config file describes, running in one process or many.",
  service: "A part of a system with a name, a port and a swarm of its own.",
  swarm: "A service's queen, workers, memory, health monitor and meta client under one supervisor.",
  queen:
    "Decides for each execution which agent does it; any process that hosts the service may decide, the first append holds.",
  worker: "Takes a claimed execution, runs its agent and appends progress and outcome.",
  agent: "Code that does one kind of task, found by capability; with or without a language model.",
  capability:
    "What a swarm can do, as tasks ask for it: `secret_scan`, or with an operation `code_analysis.complexity`.",
  command: "A request to do something, named by the capability it needs; recorded before it is acknowledged.",
  query: "A request to read; authorised and traced, not recorded.",
  execution: "One command's life in the log, from accepted to its one outcome.",
  reactor: "A saga as data: a graph of steps with how each is tried again, compensated and undone.",
  run: "One go of a reactor through its steps, as a stream of the log, from its input to its one outcome.",
  approval: "A question to a person that a step of a run, or a command before it begins, waits for the answer to.",
  webhook: "A receiver that a command names, and that is told its outcome in a signed message.",
  delivery: "One message on its way to a webhook, with its tries, as a stream of the log.",
  session: "One client's stay: its authority, its commands and the events it sees.",
  grant: "What a token allows: client type, operations, limits, tenant; it only narrows along the walk.",
  claim: "A process's right, under its epoch, to bring an execution to its outcome.",
  epoch: "The number of a process's membership; what was claimed under one that is gone may be claimed anew.",
  "fencing token":
    "A number that grows with every change of hands; what is written to refuses lower ones than it has seen.",
  singleton: "What exactly one of all processes that offer it runs at a time.",
  placement: "Which process has which part of something, and why.",
  plan: "Several agents for one task: at once, one after the other, the first that succeeds, or enough that agree.",
  lease: "A record that a process renews to be counted as alive.",
  "meta registry": "Who offers which capability, how loaded they are, and which of them a task goes to.",
  position: "A place in the log's one order; opaque.",
  record: "A keyed row with a version, for what is not history.",
  intake: "The door every command goes through: authorise, admit, route, append.",
} as const satisfies Record<string, string>;
