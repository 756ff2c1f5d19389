/** The port over ioredis: one socket, at most once, every command bounded in time. */
import { Socket } from "node:net";
import { Redis, type RedisOptions } from "ioredis";
import { KitError } from "../../errors.ts";
import { withDeadline } from "../deadline.ts";
import { commandFailed } from "../diagnosis.ts";
import type { Connection, ConnectionEvents, SetOptions } from "../port.ts";
import type { Argument, Script } from "../script.ts";
import { openSocket, type SocketPlan } from "./socket.ts";
import { Availability } from "./availability.ts";

/** What {@link openTcp} needs to know. */
export interface TcpPlan {
  readonly address: { path: string } | { host: string; port: number };
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly db: number;
  readonly socket: SocketPlan;
  /** Milliseconds for a command, queueing included. */
  readonly deadline: number;
  /** Milliseconds in place of `deadline` until the first `ready`. */
  readonly connectDeadline: number;
}

/**
 * Hands ioredis proven sockets. ioredis ends for good when a connector rejects, so a failure is
 * answered with the destroyed socket that it knows how to retry.
 */
function connectorOf(
  plan: TcpPlan,
  onFailure: (error: KitError) => void,
): NonNullable<RedisOptions["Connector"]> {
  return class {
    #socket: Awaited<ReturnType<typeof openSocket>> | undefined;
    #abandoned = false;
    async connect() {
      this.#abandoned = false;
      try {
        this.#socket = await openSocket(plan.address, plan.socket);
      } catch (error) {
        onFailure(error as KitError);
        return new Socket().destroy();
      }
      if (this.#abandoned) this.#socket.destroy();
      return this.#socket;
    }
    disconnect() {
      this.#abandoned = true;
      this.#socket?.destroy();
    }
    check() {
      return true;
    }
  } as unknown as NonNullable<RedisOptions["Connector"]>;
}

function clientOptions(
  plan: TcpPlan,
  Connector: NonNullable<RedisOptions["Connector"]>,
): RedisOptions & { replyMapping: "legacy" } {
  const auth = {
    ...(plan.username !== undefined && { username: plan.username }),
    ...(plan.password !== undefined && { password: plan.password }),
  };
  return {
    ...auth,
    Connector,
    lazyConnect: true,
    replyMapping: "legacy",
    db: plan.db,
    connectionName: "express-redis-kit",
    // At most once: nothing waits in a queue of ioredis's, nothing is sent again after a loss.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    socketTimeout: plan.connectDeadline,
    // After a failover this server may be a replica: the next connection finds the new master.
    reconnectOnError: (error) => error.message.startsWith("READONLY"),
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times - 1, 5), 1000),
  };
}

/** Whether ioredis knows for certain that a command never left. */
const NEVER_LEFT = /Stream isn't writeable|Connection is already/;

/** Opens the connection; it connects, and reconnects, by itself. */
export function openTcp(plan: TcpPlan, events: ConnectionEvents): Connection {
  const redis = new Redis(
    clientOptions(
      plan,
      connectorOf(plan, (error) => availability.fail(error)),
    ),
  );
  const availability: Availability = new Availability(
    redis,
    { ...plan, attempt: plan.socket.attempt },
    events,
  );
  redis.once("ready", () => {
    // A socket that owes an answer this long is dead; commands have timed out before. The first
    // handshake may take longer.
    redis.options.socketTimeout = Math.max(500, plan.deadline * 2);
  });
  redis.connect().catch(() => {}); // Told by the connector and the "error" event.

  const explain = (name: string, error: unknown): KitError => {
    if (error instanceof KitError) return error;
    const { name: kind, message } = error as Error;
    if (kind === "ReplyError") return commandFailed(name, error);
    return new KitError("REDIS_UNAVAILABLE", {
      message: `The connection to ${plan.socket.attempt.target} was lost during ${name}.`,
      fix: "The kit reconnects by itself; what may have run is not sent again.",
      status: 503,
      retryAfter: 1,
      outcome: NEVER_LEFT.test(message) ? "notSent" : "maybeExecuted",
    });
  };
  const attempt = async <T>(name: string, command: () => Promise<T>): Promise<T> => {
    const budget = availability.budget();
    const started = availability.isReady() ? 0 : Date.now();
    if (started !== 0) await availability.untilReady();
    const left = started === 0 ? budget : Math.max(1, budget - (Date.now() - started));
    try {
      return await withDeadline(command(), left, name);
    } catch (error) {
      throw explain(name, error);
    }
  };
  const send: Send = (name, command) => availability.track(attempt(name, command));
  return portOf(redis, send, availability);
}

type Send = <T>(name: string, command: () => Promise<T>) => Promise<T>;

function portOf(redis: Redis, send: Send, availability: Availability): Connection {
  const set = (key: string, value: string | Buffer, { ttl, condition }: SetOptions) => {
    if (condition === "NX") return redis.set(key, value, "PX", ttl, "NX");
    if (condition === "XX") return redis.set(key, value, "PX", ttl, "XX");
    return redis.set(key, value, "PX", ttl);
  };
  const evaluate = async (script: Script<unknown>, key: string, args: readonly Argument[]) => {
    try {
      return await redis.evalsha(script.sha, 1, key, ...args);
    } catch (error) {
      // The only reply after which a script certainly did not run.
      if (!(error as Error).message.startsWith("NOSCRIPT")) throw error;
      return redis.eval(script.lua, 1, key, ...args);
    }
  };
  async function* scan(prefix: string): AsyncIterable<string[]> {
    const pattern = `${prefix.replace(/[\\*?[\]^]/g, "\\$&")}*`;
    let cursor = "0";
    do {
      const from = cursor;
      // eslint-disable-next-line no-await-in-loop -- a cursor is known only once the batch before it came
      const [next, keys] = await send("SCAN", () =>
        redis.scan(from, "MATCH", pattern, "COUNT", 200),
      );
      cursor = next;
      if (keys.length > 0) yield keys;
    } while (cursor !== "0");
  }
  return {
    get: (key) => send("GET", () => redis.get(key)),
    getBytes: (key) => send("GET", () => redis.getBuffer(key)),
    set: async (key, value, how) => (await send("SET", () => set(key, value, how))) === "OK",
    del: async (key) => (await send("DEL", () => redis.del(key))) > 0,
    pexpire: async (key, ttl) => (await send("PEXPIRE", () => redis.pexpire(key, ttl))) > 0,
    sismember: async (key, member) =>
      (await send("SISMEMBER", () => redis.sismember(key, member))) > 0,
    scard: (key) => send("SCARD", () => redis.scard(key)),
    srem: async (key, member) => (await send("SREM", () => redis.srem(key, member))) > 0,
    scan,
    run: async (script, key, args) =>
      script.parse(await send(`the script ${script.name}`, () => evaluate(script, key, args))),
    ping: async () => void (await send("PING", () => redis.ping())),
    ready: () => availability.untilReady(),
    close: () => availability.close(),
    state: () => availability.state(),
  };
}
