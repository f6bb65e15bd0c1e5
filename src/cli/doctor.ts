/** `llm-tap doctor`: what is at work here, what will be seen and what will not, and a test that it is so. */
import type { Environment } from "../register/settings.ts";
import { describeClients, describeSdks } from "./doctor/clients.ts";
import { describeEnvironment } from "./doctor/environment.ts";
import { findCopies } from "./doctor/packages.ts";
import { describeHooks, describeRuntime, loadsHere } from "./doctor/runtime.ts";
import { runSelfTest } from "./doctor/self-test.ts";
import { formatSections, no, type Section, yes } from "./report.ts";

export interface DoctorOptions {
  /** Where the app is: its `node_modules` are looked through. */
  directory: string;
  environment: Environment;
  write: (text: string) => void;
}

const SEEN = [
  "fetch, and every SDK that calls it",
  "undici's request, stream, pipeline and fetch through the global dispatcher; a dispatcher of your own with compose(tap.interceptor)",
];
const NOT_SEEN = [
  "node:http and node:https clients (axios, got, node-fetch as they come), node:http2 clients (the AWS SDK as it comes)",
  "WebSockets (OpenAI Realtime, Gemini Live) and gRPC",
  "other processes, unless they load llm-tap too: forks and worker threads do with --import or NODE_OPTIONS",
];

/** @returns whether the self-test has passed */
export async function runDoctor({ directory, environment, write }: DoctorOptions): Promise<boolean> {
  const show = (section: Section): void => write(`${formatSections([section])}\n`);
  show({ title: "Runtime", lines: describeRuntime(directory) });
  show({ title: "Hooks that install() and register put on", lines: describeHooks() });
  show({ title: "SDKs", lines: describeSdks(directory) });
  const notSeen = [...NOT_SEEN.map((text) => no(text)), ...describeClients(directory)];
  show({ title: "Seen, and not seen", lines: [...SEEN.map((text) => yes(text)), ...notSeen] });
  show({ title: "Environment of llm-tap/register", lines: describeEnvironment(environment) });
  const copies = findCopies("undici", directory).filter(loadsHere);
  const lines = await runSelfTest(copies);
  const hasPassed = lines.every(({ status }) => status !== "no");
  const verdict = hasPassed ? yes("the hooks work here") : no("the hooks do not all work here");
  show({ title: "Self-test, against a server of its own on this machine", lines: [...lines, verdict] });
  return hasPassed;
}
