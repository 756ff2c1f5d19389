/** ioredis, told to do nothing on its own but to connect, and fed with proven sockets. */
import type { Socket } from "node:net";
import { Redis, type RedisOptions } from "ioredis";
import type { KitError } from "../../errors.ts";
import { type Attempt, diagnose, type Phase, unavailable } from "../diagnosis.ts";
import type { Authentication } from "./authentication.ts";
import { connectorOf } from "./connector.ts";
import type { Destination } from "./destination.ts";
import { openSocket } from "./socket.ts";
import type { Watchdog } from "./watchdog.ts";

/** What a client needs to know, and tells. Times are milliseconds. */
export interface ClientPlan {
  /** The server as errors call it until a destination is known. */
  readonly attempt: Attempt;
  /** Asked before each connection. */
  destination(): Destination | Promise<Destination>;
  /** A replica is no use: its master is asked for again. */
  readonly mustBeMaster: boolean;
  readonly db: number;
  /** For a command, queueing included. */
  readonly deadline: number;
  /** In place of `deadline` until the first `ready`. */
  readonly connectDeadline: number;
}

/** Told what becomes of the client's connections. */
export interface ClientEvents {
  ready(): void;
  /** A connection could not be made, or was lost for a reason that the socket or the server gave. */
  failed(error: KitError): void;
  closed(): void;
}

/** ioredis, and the server as the last attempt knew it. */
export interface Client {
  readonly redis: Redis;
  attempt(): Attempt;
  /** Whether ioredis would write a command now. */
  isWritable(): boolean;
  /** Whether the server took `HELLO 3`, which the handshake of each connection offers. */
  speaksResp3(): boolean;
}

const OPTIONS = {
  lazyConnect: true,
  // RESP3, for pushed messages beside commands; replies in the shapes of RESP2.
  protocol: 3,
  replyMapping: "legacy",
  connectionName: "express-redis-kit",
  // At most once: nothing waits in a queue of ioredis's, nothing is sent again after a loss.
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  autoResubscribe: false,
  // So that a server which is back is found within half a second.
  retryStrategy: (times: number) => Math.min(50 * 2 ** Math.min(times - 1, 3), 400),
} as const;

/** Makes a client; it connects when it is told to. */
export function createClient(
  plan: ClientPlan,
  authentication: Authentication,
  watchdog: Watchdog,
  events: ClientEvents,
): Client {
  let attempt = plan.attempt;
  let phase: Phase = "opening";
  let wasReady = false;
  /** The server is a replica: what follows, the close, is ours. */
  let isRefused = false;

  const open = async (signal: AbortSignal): Promise<Socket> => {
    phase = "opening";
    const { address, socket } = await plan.destination();
    attempt = socket.attempt;
    const auth = await authentication.current();
    // ioredis has read its options by now; this is what its handshake reads.
    if (redis.condition && auth !== undefined) redis.condition.auth = auth;
    return openSocket(address, socket, signal);
  };
  const fail = (error: Error): void => {
    const cause = diagnose(error, attempt, wasReady ? "established" : "greeting");
    if (cause.code === "REDIS_AUTH_FAILED") authentication.rejected();
    phase = "opening"; // What follows, the close, has its reason now.
    events.failed(cause);
  };
  const Connector = connectorOf({
    open,
    onFailure: (error) => events.failed(error),
    accepts: ({ role }) => {
      isRefused = plan.mustBeMaster && role !== undefined && role !== "master";
      if (isRefused) events.failed(unavailable(attempt, "it is a replica, its master is sought"));
      return !isRefused;
    },
  });
  const options: RedisOptions & { replyMapping: "legacy" } = { ...OPTIONS, Connector, db: plan.db };
  const redis: Redis = new Redis(options);
  redis.on("connect", () => {
    phase = "greeting";
    isRefused = false;
    const patience = wasReady ? Math.max(500, plan.deadline * 2) : plan.connectDeadline * 0.8;
    watchdog.expectGreeting(redis.stream, patience);
  });
  redis.on("error", fail);
  redis.on("ready", () => {
    phase = "established";
    wasReady = true;
    watchdog.calm();
    events.ready();
  });
  redis.on("close", () => {
    watchdog.calm();
    if (phase === "greeting" && !isRefused) fail(new Error("Connection is closed."));
    events.closed();
  });
  return {
    redis,
    attempt: () => attempt,
    isWritable: () => redis.status === "ready" && redis.stream.writable,
    speaksResp3: () => redis.condition?.protocol === 3,
  };
}
