/** Processes of one app with sessions in one Redis. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { resolve } from "node:path";
import { bundle } from "./bundle.ts";

/** One of them. */
export interface SessionProcess {
  readonly url: string;
  /** Resolves when a handler of `/slow` has its session. */
  loaded(): Promise<unknown>;
  /** Lets it go on. */
  go(): void;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

/** Starts `count` of them; they end with `end`. */
export async function startSessionProcesses(
  count: number,
  redis: string,
): Promise<{ processes: SessionProcess[]; end: () => Promise<void> }> {
  const root = resolve(__dirname, "../..");
  const script = resolve(
    root,
    `node_modules/.cache/express-redis-kit/session-process-${process.pid}.mjs`,
  );
  bundle(resolve(__dirname, "session-process.ts"), script);
  const children = Array.from({ length: count }, () =>
    spawn(process.execPath, [script, redis], {
      cwd: root,
      env: { ...process.env, NODE_ENV: "test" },
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    }),
  );
  const ports = await Promise.all(children.map((child) => once(child, "message")));
  return {
    processes: children.map((child, index) => ({
      url: `http://127.0.0.1:${ports[index]![0] as number}`,
      loaded: () => once(child, "message"),
      go: () => void child.send("go"),
    })),
    end: async () => {
      rmSync(script, { force: true });
      await Promise.all(children.map(stop));
    },
  };
}
