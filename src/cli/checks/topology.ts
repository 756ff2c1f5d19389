/** Whether there is a master to write to, and, in a Cluster, every one of them. */
import type { Config } from "../../config.ts";
import type { Channel } from "../../connection/channel.ts";
import { KitError } from "../../errors.ts";
import { ask, type Info, PATIENCE, wordsOf } from "../ask.ts";
import type { Check, Examination } from "../examination.ts";
import { cannotTell, failure, type Finding, note, ok, type Subject, warning } from "../finding.ts";
import { count, plural } from "../figures.ts";

const TOPOLOGY: Subject = { id: "topology", title: "topology" };

function field(text: string, name: string): string | undefined {
  return new RegExp(`^${name}:(\\S+)`, "m").exec(text)?.[1];
}

async function judgeCluster({ channel, servers }: Examination): Promise<Finding> {
  const masters = `Cluster of ${plural(servers.length, "master")}`;
  const answer = await ask<string>(channel, ["CLUSTER", "INFO"]);
  if (answer.denied !== undefined) {
    const data = { masters: servers.length };
    return note(
      TOPOLOGY,
      `${masters}, each answers; cannot tell its state: ${answer.denied}`,
      data,
    );
  }
  const text = answer.reply;
  const state = field(text, "cluster_state") ?? "unknown";
  const covered = Number(field(text, "cluster_slots_ok") ?? 0);
  const data = { masters: servers.length, state, slotsOk: covered };
  if (state === "ok") return ok(TOPOLOGY, `${masters}, each answers, state ok`, data);
  return failure(TOPOLOGY, {
    detail: `${masters}, in state '${state}': ${count(covered)} of 16,384 slots are served.`,
    why: "Keys of the other slots cannot be read or written; a Cluster may refuse all keys in this state.",
    fix: "Bring the missing masters back, or let their replicas take over (CLUSTER FAILOVER TAKEOVER); `redis-cli --cluster check` tells which.",
    data,
  });
}

function judgeServer(info: Info, { target }: Config): Finding {
  const role = info.text("role");
  const replicas = info.number("connected_slaves") ?? 0;
  const isClusterNode = info.number("cluster_enabled") === 1;
  const data = { role: role ?? null, replicas, clusterEnabled: isClusterNode };
  if (role !== undefined && role !== "master") {
    return failure(TOPOLOGY, {
      detail: `This server is a ${role === "slave" ? "replica" : role}.`,
      why: "It refuses every write: no limit is counted, nobody can log in, nothing is cached.",
      fix: "Point REDIS_URL at the master, or name the Sentinels: redis+sentinel://host:26379/mymaster.",
      data,
    });
  }
  if (isClusterNode && target.kind !== "rest") {
    return warning(TOPOLOGY, {
      detail: "The server is a node of a Cluster, but the URL names a single server.",
      why: "Commands for keys that another node holds are answered with MOVED, and fail.",
      fix: "List two or more nodes in REDIS_URL, with commas between: rediss://a:6379,b:6379.",
      data,
    });
  }
  const place = target.kind === "rest" ? "one database, over REST" : "one master";
  return ok(TOPOLOGY, `${place}, ${plural(replicas, "replica")}`, data);
}

/** What can be said of a Cluster whose masters cannot all be reached. */
export async function checkBrokenCluster(channel: Channel): Promise<Finding> {
  try {
    const masters = await channel.masters();
    const pings = await Promise.allSettled(
      masters.map((master) => master.send(["PING"], { within: PATIENCE })),
    );
    const answering = pings.filter(({ status }) => status === "fulfilled").length;
    const data = { masters: masters.length, answering };
    return failure(TOPOLOGY, {
      detail: `${answering} of the ${plural(masters.length, "master")} of the Cluster answer.`,
      why: "Keys in the slots of the others cannot be read or written.",
      fix: "Bring the missing masters back, or let their replicas take over (CLUSTER FAILOVER TAKEOVER); `redis-cli --cluster check` tells which.",
      data,
    });
  } catch (error) {
    if (!(error instanceof KitError)) throw error;
    return cannotTell(TOPOLOGY, wordsOf(error));
  }
}

/** Who may be written to. */
export const topology: Check = {
  ...TOPOLOGY,
  run: async (examination) => {
    const { servers, config } = examination;
    if (config.target.kind === "cluster") return judgeCluster(examination);
    const { reply, denied } = servers[0]!.info;
    return denied === undefined ? judgeServer(reply, config) : cannotTell(TOPOLOGY, denied);
  },
};
