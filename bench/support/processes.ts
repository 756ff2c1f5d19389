/** Processes that a benchmark starts: ended by pid with it, also when it fails or is interrupted. */
import { type ChildProcess, fork, type Serializable, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";

const running = new Set<ChildProcess>();

process.on("exit", () => {
  // SIGKILL ends a process that is under SIGSTOP too.
  for (const child of running) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => process.exit(130));
}

function own(child: ChildProcess): ChildProcess {
  running.add(child);
  child.once("exit", () => running.delete(child));
  return child;
}

const canPin = spawnSync("taskset", ["-c", "0,1", "true"]).status === 0;

/** Whether {@link pin} holds processes on a core of their own. */
export function isPinned(): boolean {
  return canPin;
}

/** Holds a process, and the threads that it will start, on one core; does nothing where that cannot be. */
export function pin(pid: number | undefined, core: number): void {
  if (canPin && pid !== undefined) spawnSync("taskset", ["-a", "-c", "-p", String(core), `${pid}`]);
}

/** Starts a program that says nothing. */
export function start(program: string, args: readonly string[]): ChildProcess {
  return own(spawn(program, args, { stdio: "ignore" }));
}

/** Starts a Node script of a benchmark, which speaks to it by messages. */
export function startScript(
  path: string,
  args: readonly string[],
  execArgv: readonly string[] = [],
): ChildProcess {
  const env = { ...process.env, NODE_ENV: "production" };
  return own(fork(path, args, { execArgv: [...execArgv], env }));
}

/** Ends a process and waits until it is gone. */
export async function end(child: ChildProcess, signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill(signal);
  await exited;
}

/** Sends a message and answers the next one that comes back; rejects when the process ends first. */
export async function ask<Answer>(child: ChildProcess, question: Serializable): Promise<Answer> {
  const answer = answerOf<Answer>(child);
  child.send(question);
  return answer;
}

/** The next message of a process; rejects when it ends first. */
export function answerOf<Answer>(child: ChildProcess): Promise<Answer> {
  return new Promise<Answer>((resolve, reject) => {
    const onExit = (code: number | null): void => {
      reject(new Error(`The process ended (${code}) before it answered.`));
    };
    child.once("exit", onExit);
    child.once("message", (message) => {
      child.off("exit", onExit);
      resolve(message as Answer);
    });
  });
}
