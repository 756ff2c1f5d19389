/** Processes of one app with a cache in one Redis, whose handlers answer when the test says so. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { resolve } from "node:path";
import type { CacheOptions, WrapOptions } from "express-redis-kit";
import { bundle } from "./bundle.ts";
import { until } from "./redis-server.ts";

/** What all of them are started with; JSON. */
export interface CacheSetup {
  readonly redis: string;
  /** For the routes of `cache-process.ts`. */
  readonly options?: Pick<CacheOptions, "ttl" | "stale" | "collapse">;
  /** For `cache.wrap`. */
  readonly wrap?: Pick<WrapOptions, "collapse">;
}

/** What a process is told. */
export type CacheOrder =
  | { readonly answer: string; readonly fields: Record<string, string> }
  | { readonly purge: string }
  | { readonly wrap: number };

/** What it tells. */
export type CacheNews =
  | { readonly arrived: number }
  | { readonly called: number }
  | { readonly purged: boolean }
  | { readonly warned: string }
  | { readonly wrapped: readonly unknown[] };

/** One of them. */
export interface CacheProcess {
  readonly url: string;
  /** Requests that have come, whatever the cache does with them. */
  arrived(): number;
  /** Runs of the held handler and of the loader, answered or not. */
  called(): number;
  /** Lets what is held answer this, and from now on everything at once. */
  answer(body: string, fields?: Record<string, string>): void;
  purge(id: string): Promise<boolean>;
  /** Calls `cache.wrap` so many times at once. */
  wrap(count: number): Promise<readonly unknown[]>;
  /** What Node warned it of. */
  warnings(): readonly string[];
  /** Ends it as kill -9 does. */
  kill(): Promise<void>;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

function follow(child: ChildProcess, port: number): CacheProcess {
  let [arrived, called] = [0, 0];
  const warnings: string[] = [];
  let purged: boolean | undefined;
  let wrapped: readonly unknown[] | undefined;
  child.on("message", (news: CacheNews) => {
    if ("arrived" in news) arrived = news.arrived;
    else if ("called" in news) called = news.called;
    else if ("purged" in news) purged = news.purged;
    else if ("warned" in news) warnings.push(news.warned);
    else wrapped = news.wrapped;
  });
  const order = (what: CacheOrder): void => void child.send(what);
  return {
    url: `http://127.0.0.1:${port}`,
    arrived: () => arrived,
    called: () => called,
    answer: (body, fields = {}) => order({ answer: body, fields }),
    purge: async (id) => {
      purged = undefined;
      order({ purge: id });
      await until(() => purged !== undefined, "the process has purged");
      return purged!;
    },
    wrap: async (count) => {
      wrapped = undefined;
      order({ wrap: count });
      await until(() => wrapped !== undefined, "the process's calls are answered");
      return wrapped!;
    },
    warnings: () => warnings,
    kill: () => stop(child),
  };
}

/** Starts `count` of them; they end with `end`. */
export async function startCacheProcesses(
  count: number,
  setup: CacheSetup,
): Promise<{ processes: CacheProcess[]; end: () => Promise<void> }> {
  const root = resolve(__dirname, "../..");
  const script = resolve(
    root,
    `node_modules/.cache/express-redis-kit/cache-process-${process.pid}.mjs`,
  );
  bundle(resolve(__dirname, "cache-process.ts"), script);
  const children = Array.from({ length: count }, () =>
    spawn(process.execPath, [script, JSON.stringify(setup)], {
      cwd: root,
      env: { ...process.env, NODE_ENV: "test" },
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    }),
  );
  const ports = await Promise.all(children.map((child) => once(child, "message")));
  return {
    processes: children.map((child, index) => follow(child, ports[index]![0] as number)),
    end: async () => {
      rmSync(script, { force: true });
      await Promise.all(children.map(stop));
    },
  };
}
