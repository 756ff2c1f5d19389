/** The app in a process of its own, on a core of its own. */
import { SERVER_CORE } from "../support/arguments.ts";
import { answerOf, ask, end, pin, startScript } from "../support/processes.ts";
import type { MapFinding } from "./maps.ts";

/** Since the process began. */
export interface Usage {
  /** Microseconds. */
  readonly cpu: number;
  readonly requests: number;
}

/** Bytes. */
export interface Memory {
  /** Of the process, before anything was collected. */
  readonly rss: number;
  /** Used by V8's heap, after it was collected. */
  readonly heap: number;
  /** Of Buffers and the like, outside of it. */
  readonly external: number;
}

/** A running app. */
export interface Server {
  readonly port: number;
  usage(): Promise<Usage>;
  memory(): Promise<Memory>;
  /** Takes seconds, in which no request is answered. */
  maps(): Promise<MapFinding[]>;
  end(): Promise<void>;
}

/** Starts it. It ends with this process at the latest. */
export async function startServer(script: string, redisPort: number): Promise<Server> {
  const child = startScript(script, [`${redisPort}`], ["--expose-gc", "--no-deprecation"]);
  pin(child.pid, SERVER_CORE);
  const port = await answerOf<number>(child);
  return {
    port,
    usage: () => ask(child, "usage"),
    memory: () => ask(child, "memory"),
    maps: () => ask(child, "maps"),
    end: () => end(child),
  };
}
