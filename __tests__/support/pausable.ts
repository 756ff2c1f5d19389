/** A process with a connection of the kit's, which a test stops and continues as a platform does. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import type { KitOptions } from "express-redis-kit";
import { until } from "./redis-server.ts";

/** What the process is told: to write a key that does not exist yet. */
export interface Order {
  readonly key: string;
  /** Milliseconds by which the time of day went on while the machine slept. Default: 0. */
  readonly asleep?: number;
}

/** What became of it. */
export interface Outcome {
  readonly key: string;
  /** False where the key was there already. */
  readonly isWritten?: boolean;
  readonly failure?: string;
}

/** The process. */
export interface Pausable {
  /** Gives an order, now or for when the process continues; resolves with its outcome. */
  write(order: Order): Promise<Outcome>;
  /** Resolves when the process has stopped. */
  stop(): Promise<void>;
  continue(): void;
}

const running = new Set<ChildProcess>();

/** Ends all that a test started, stopped or not. */
export async function endPausables(): Promise<void> {
  const ended = [...running].map(async (child) => {
    running.delete(child);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  });
  await Promise.all(ended);
}

function isStopped({ pid }: ChildProcess): boolean {
  return execFileSync("ps", ["-o", "state=", "-p", String(pid)], { encoding: "utf8" }).startsWith(
    "T",
  );
}

/** Starts the process; its options are JSON. It connects, which the first order waits for. */
export function startPausable(options: KitOptions): Pausable {
  const script = resolve(__dirname, "pausable-process.ts");
  const child = spawn(process.execPath, ["--import", "tsx", script, JSON.stringify(options)], {
    cwd: resolve(__dirname, "../.."),
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  running.add(child);
  return {
    write: (order) => {
      const outcome = new Promise<Outcome>((settle, fail) => {
        const onMessage = (message: Outcome): void => {
          if (message.key !== order.key) return;
          child.off("message", onMessage);
          settle(message);
        };
        child.on("message", onMessage);
        child.once("exit", () => fail(new Error("The process ended.")));
      });
      child.send(order);
      return outcome;
    },
    stop: async () => {
      child.kill("SIGSTOP");
      await until(() => isStopped(child), "the process has stopped");
    },
    continue: () => void child.kill("SIGCONT"),
  };
}
