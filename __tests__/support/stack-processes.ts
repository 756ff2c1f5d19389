/**
 * A warm stack in a process of its own. Node ends a process for a rejection that is not seen in the tick
 * that brings it; Jest forgives those that are seen later, and keeps the listeners of a test from all others.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { resolve } from "node:path";
import { bundle } from "./bundle.ts";

/** Four requests at once. */
export interface Asking {
  /** After how many turns of the loop the middleware behind the first limiter answers; 0: it lets them go on. */
  readonly turns: number;
}

/** The process. */
export interface StackProcess {
  /** The statuses that its requests got; rejects where the process has ended. */
  ask(asking: Asking): Promise<number[]>;
  end(): Promise<void>;
}

/** Starts one that has been asked before. */
export async function startStack(redis: string): Promise<StackProcess> {
  const root = resolve(__dirname, "../..");
  const script = resolve(root, `node_modules/.cache/express-redis-kit/stack-${process.pid}.mjs`);
  bundle(resolve(__dirname, "stack-process.ts"), script);
  const child = spawn(process.execPath, [script, redis], {
    cwd: root,
    env: { ...process.env, NODE_ENV: "test", NODE_OPTIONS: "" },
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  let errors = "";
  child.stderr!.on("data", (text: Buffer) => (errors += text.toString()));
  const next = async (): Promise<unknown> => {
    const answer = await Promise.race([once(child, "message"), once(child, "exit")]);
    if (child.exitCode !== null) throw new Error(`The process ended: ${errors}`);
    return answer[0];
  };
  await next();
  return {
    ask: (asking) => {
      const answer = next() as Promise<number[]>;
      child.send(asking);
      return answer;
    },
    end: () => end(child, script),
  };
}

async function end(child: ChildProcess, script: string): Promise<void> {
  rmSync(script, { force: true });
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}
