/** A private master with replicas under Sentinels, for tests; all are ended by pid. */
import { lastingPort } from "./ports.ts";
import { type RedisServer, startRedis, until } from "./redis-server.ts";
import { createGroup, type Group, type Member, replicationOf } from "./server-group.ts";

/** A deployment that a test may do anything to. */
export interface SentinelDeployment extends Group<Member> {
  /** As `REDIS_URL` names it, with the password of the data servers where there is one. */
  readonly url: string;
  /** Master and replicas, the first master first. */
  readonly nodes: readonly Member[];
  readonly sentinels: readonly Member[];
  /** The master as most Sentinels see it now. */
  master(): Promise<Member>;
  /** Makes a replica the master, as an operator does, and answers it. */
  failover(): Promise<Member>;
  /** Waits until all live Sentinels name another live master than this one, and it takes writes. */
  promoted(old: Member): Promise<Member>;
  /** Waits until every live data server but the master follows it. */
  waitForReplicas(): Promise<void>;
  stop(): Promise<void>;
}

/** What {@link startSentinel} can be told. */
export interface SentinelOptions {
  /** Default: 1. */
  replicas?: number;
  /** Speak TLS only, with these files. */
  tls?: { ca: string; cert: string; key: string };
  /** Of the data servers. Default: none. */
  password?: string;
  /** Of the Sentinels themselves. Default: none. */
  sentinelPassword?: string;
}

const NAME = "mymaster";
const SENTINELS = 3;
const QUORUM = 2;

function listen(port: number, tls: SentinelOptions["tls"]): string[] {
  if (tls === undefined) return ["--port", String(port)];
  return [
    ["--port", "0"],
    ["--tls-port", String(port)],
    ["--tls-replication", "yes"],
    ["--tls-auth-clients", "no"],
    ["--tls-ca-cert-file", tls.ca],
    ["--tls-cert-file", tls.cert],
    ["--tls-key-file", tls.key],
  ].flat();
}

function nodeOf(port: number, server: RedisServer, password: string | undefined): Member {
  if (password !== undefined) server.client.options.password = password;
  return { port, server, client: server.client };
}

async function startData(
  { tls, password }: SentinelOptions,
  master: Member | undefined,
): Promise<Member> {
  const port = await lastingPort();
  const args = [
    ...listen(port, tls),
    "--repl-diskless-sync-delay",
    "0",
    ...(password === undefined ? [] : ["--requirepass", password, "--masterauth", password]),
    ...(master === undefined ? [] : ["--replicaof", "127.0.0.1", String(master.port)]),
  ];
  return nodeOf(port, await startRedis({ args }), password);
}

async function startSentinelNode(
  { tls, password, sentinelPassword }: SentinelOptions,
  master: Member,
): Promise<Member> {
  const port = await lastingPort();
  const config = [
    `sentinel monitor ${NAME} 127.0.0.1 ${master.port} ${QUORUM}`,
    `sentinel down-after-milliseconds ${NAME} 1000`,
    `sentinel failover-timeout ${NAME} 3000`,
    ...(password === undefined ? [] : [`sentinel auth-pass ${NAME} ${password}`]),
    ...(sentinelPassword === undefined
      ? []
      : [`requirepass ${sentinelPassword}`, `sentinel sentinel-pass ${sentinelPassword}`]),
  ].join("\n");
  const server = await startRedis({ config, args: [...listen(port, tls), "--sentinel"] });
  const node = nodeOf(port, server, sentinelPassword);
  // An old master is made a replica after four of these periods, which are seconds by default.
  await node.client.call("SENTINEL", "DEBUG", "INFO-PERIOD", 250, "PUBLISH-PERIOD", 250);
  return node;
}

/** The fields that a Sentinel tells of the master. */
async function masterSeenBy({ client }: Member): Promise<Map<string, string>> {
  const flat = (await client.call("SENTINEL", "MASTER", NAME)) as string[] | Record<string, string>;
  if (!Array.isArray(flat)) return new Map(Object.entries(flat));
  return new Map(
    Array.from({ length: flat.length / 2 }, (_, n) => [flat[2 * n]!, flat[2 * n + 1]!]),
  );
}

async function isFollowing(node: Member, master: Member): Promise<boolean> {
  const replication = await replicationOf(node);
  return (
    replication.get("role") === "slave" &&
    replication.get("master_port") === String(master.port) &&
    replication.get("master_link_status") === "up"
  );
}

/** Starts a deployment and waits until every Sentinel knows all of it. */
export async function startSentinel(options: SentinelOptions = {}): Promise<SentinelDeployment> {
  const { replicas = 1, password, tls } = options;
  const first = await startData(options, undefined);
  const others = await Promise.all(
    Array.from({ length: replicas }, () => startData(options, first)),
  );
  const nodes = [first, ...others];
  // A Sentinel that finds the replicas at its first look need not wait ten seconds for its next.
  await until(
    async () => (await Promise.all(others.map((node) => isFollowing(node, first)))).every(Boolean),
    "the replicas follow the master",
  );
  const sentinels = await Promise.all(
    Array.from({ length: SENTINELS }, () => startSentinelNode(options, first)),
  );
  await until(async () => {
    const seen = await Promise.all(sentinels.map(masterSeenBy));
    return seen.every(
      (master) =>
        master.get("num-other-sentinels") === String(SENTINELS - 1) &&
        master.get("num-slaves") === String(replicas) &&
        master.get("flags") === "master",
    );
  }, "the Sentinels know each other and the replicas");

  const group = createGroup<Member>();
  const mastersSeen = async (): Promise<(Member | undefined)[]> => {
    const seen = await Promise.all(
      sentinels.filter((node) => group.isLive(node)).map(masterSeenBy),
    );
    return seen.map((master) => nodes.find(({ port }) => String(port) === master.get("port")));
  };
  const agreed = async (): Promise<Member | undefined> => {
    const [master, ...rest] = await mastersSeen();
    return rest.every((other) => other === master) ? master : undefined;
  };
  const deployment: SentinelDeployment = {
    ...group,
    nodes,
    sentinels,
    url: `redis${tls ? "s" : ""}+sentinel://${password === undefined ? "" : `:${password}@`}${sentinels
      .map(({ port }) => `127.0.0.1:${port}`)
      .join(",")}/${NAME}`,
    master: async () => {
      await until(async () => (await agreed()) !== undefined, "the Sentinels agree");
      return (await agreed())!;
    },
    failover: async () => {
      const old = await deployment.master();
      await deployment.waitForReplicas();
      const asked = sentinels.find((node) => group.isLive(node))!;
      const isBegun = async (): Promise<boolean> => {
        try {
          await asked.client.call("SENTINEL", "FAILOVER", NAME);
          return true;
        } catch (error) {
          // It has to look at the replicas again, or another failover is not over yet.
          if (/^(NOGOODSLAVE|INPROG)/.test((error as Error).message)) return false;
          throw error;
        }
      };
      await until(isBegun, "the Sentinels begin a failover");
      // On a busy machine a Sentinel may give a failover up (`failover-timeout`): then it is asked again.
      const again = setInterval(() => void isBegun().catch(() => {}), 5000);
      try {
        return await deployment.promoted(old);
      } finally {
        clearInterval(again);
      }
    },
    promoted: async (old) => {
      let now: Member | undefined;
      await until(
        async () => {
          now = await agreed();
          if (now === undefined || now === old || !group.isLive(now)) return false;
          return (await replicationOf(now)).get("role") === "master";
        },
        "a replica is promoted",
        25_000,
      );
      return now!;
    },
    waitForReplicas: () =>
      until(
        async () => {
          const master = await agreed();
          if (master === undefined) return false;
          const rest = nodes.filter((node) => group.isLive(node) && node !== master);
          const follow = await Promise.all(rest.map((node) => isFollowing(node, master)));
          return follow.every(Boolean);
        },
        "the live replicas follow the master",
        20_000,
      ),
    stop: async () => {
      await Promise.all([...sentinels, ...nodes].map(({ server }) => server.stop()));
    },
  };
  return deployment;
}
