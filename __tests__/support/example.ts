/** Runs an example as a user would: a child process on a free port, ended by pid. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { until } from "./redis-server.ts";

const ROOT = resolve(__dirname, "../..");

/** A running, or ended, example. */
export interface Example {
  readonly process: ChildProcess;
  /** Empty until it listens. */
  readonly url: string;
  /** All lines of both outputs so far. */
  lines(): string[];
  /** Lines that warn or report an error. */
  warnings(): string[];
  /** The exit code, once it has ended. */
  exited(): Promise<number | null>;
  stop(): Promise<void>;
}

const running = new Set<Example>();

/** Ends all that a test started. */
export async function stopExamples(): Promise<void> {
  await Promise.all([...running].map((example) => example.stop()));
}

/**
 * Starts the example with these variables on top of PATH and HOME; nothing else is inherited.
 *
 * @param name its folder. Default: `basic`
 */
export function startExample(env: Record<string, string> = {}, name = "basic"): Example {
  const child = spawn(resolve(ROOT, "node_modules/.bin/tsx"), [`examples/${name}/server.ts`], {
    cwd: ROOT,
    env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "", PORT: "0", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => (output += text));
  }
  const ended = once(child, "exit");
  const lines = () => output.split("\n").filter(Boolean);
  const example: Example = {
    process: child,
    lines,
    get url() {
      return /listening on (http:\S+)/.exec(output)?.[1] ?? "";
    },
    warnings: () =>
      lines().filter(
        (line) => !line.startsWith("listening") && !/: Redis at \S+ \(from /.test(line),
      ),
    exited: async () => ((await ended) as [number | null])[0],
    stop: async () => {
      running.delete(example);
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      await ended;
    },
  };
  running.add(example);
  return example;
}

/** Starts the example and waits until it listens. */
export async function startListening(
  env: Record<string, string> = {},
  name?: string,
): Promise<Example> {
  const example = startExample(env, name);
  await until(() => example.url !== "" || example.process.exitCode !== null, "the example listens");
  if (example.url === "") throw new Error(`The example ended: ${example.lines().join("\n")}`);
  return example;
}

/** A client with a cookie jar of one. */
export function createBrowser(url: string, headers: Record<string, string> = {}) {
  let cookie = "";
  return async (method: string, path: string, body?: unknown): Promise<Response> => {
    const response = await fetch(url + path, {
      method,
      headers: {
        ...headers,
        ...(cookie !== "" && { cookie }),
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    for (const line of response.headers.getSetCookie()) cookie = line.split(";", 1)[0]!;
    return response;
  };
}
