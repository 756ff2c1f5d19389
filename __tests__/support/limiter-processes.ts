/** Several processes of one app, whose limiters share their counts in Redis. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { resolve } from "node:path";
import { bundle } from "./bundle.ts";

/** What all of them are started with. */
export interface LimiterSetup {
  readonly redis: string;
  readonly limit: number;
  readonly window: string;
  readonly algorithm: "sliding-window" | "token-bucket" | "fixed-window";
}

/** What one process does to its own app. */
export interface Flood {
  readonly connections: number;
  readonly requests: number;
}

/** What became of it. */
export interface FloodResult {
  admitted: number;
  refused: number;
  failed: number;
}

/** The processes. */
export interface LimiterProcesses {
  /** Floods all apps at once, and sums up. */
  flood(order: Flood): Promise<FloodResult>;
  end(): Promise<void>;
}

/** Compiles the script once: eight processes that each compile it are a load that other tests feel. */
function compile(): string {
  const folder = resolve(__dirname, "../../node_modules/.cache/express-redis-kit");
  const outfile = resolve(folder, `limiter-process-${process.pid}.mjs`);
  bundle(resolve(__dirname, "limiter-process.ts"), outfile);
  return outfile;
}

/** Starts `count` processes, and resolves when all are connected. */
export async function startLimiters(count: number, setup: LimiterSetup): Promise<LimiterProcesses> {
  const script = compile();
  const children = Array.from({ length: count }, () =>
    spawn(process.execPath, [script, JSON.stringify(setup)], {
      cwd: resolve(__dirname, "../.."),
      env: { ...process.env, NODE_ENV: "test" },
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    }),
  );
  await Promise.all(children.map(answerOf));
  return {
    flood: async (order) => {
      const answers = children.map((child) => answerOf(child) as Promise<FloodResult>);
      for (const child of children) child.send(order);
      const results = await Promise.all(answers);
      const sum = (field: keyof FloodResult) =>
        results.reduce((total, result) => total + result[field], 0);
      return { admitted: sum("admitted"), refused: sum("refused"), failed: sum("failed") };
    },
    end: async () => {
      rmSync(script, { force: true });
      await Promise.all(
        children.map(async (child) => {
          if (child.exitCode !== null || child.signalCode !== null) return;
          const exited = once(child, "exit");
          child.kill("SIGKILL");
          await exited;
        }),
      );
    },
  };
}

async function answerOf(child: ChildProcess): Promise<unknown> {
  const gone = new AbortController();
  const exited = once(child, "exit", { signal: gone.signal }).then(() => {
    throw new Error("A limiter's process ended before it answered.");
  });
  const answered = once(child, "message", { signal: gone.signal });
  try {
    const [message] = (await Promise.race([answered, exited])) as [unknown];
    return message;
  } finally {
    gone.abort();
    await Promise.allSettled([exited, answered]);
  }
}
