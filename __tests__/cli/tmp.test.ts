import { it } from "@jest/globals";
import { mkdirSync, appendFileSync } from "node:fs";
import { startRedis, until } from "../support/redis-server.ts";
import { visit } from "./visit.ts";
const log = (t: string) => appendFileSync("/tmp/tmp-trace.log", `${Date.now() % 1e6} ${t}\n`);
it.each([...Array(40).keys()])(
  "x %d",
  async () => {
    log("start");
    const redis = await startRedis({ args: ["--save", "3600 1"] });
    mkdirSync(`${redis.folder}/dump.rdb`);
    await redis.client.ping();
    log("bgsave");
    const r = await Promise.race([
      redis.client.bgsave(),
      new Promise((ok) => setTimeout(ok, 2000, "LATE")),
    ]);
    if (r === "LATE") {
      const { execSync } = await import("node:child_process");
      log(
        execSync(
          `redis-cli -s ${redis.socketPath} client list; redis-cli -s ${redis.socketPath} info persistence | grep bgsave; ps -o pid,stat,wchan,cmd --ppid ${redis.process.pid} -p ${redis.process.pid}`,
          { timeout: 1500, encoding: "utf8" },
        ),
      );
    }
    log("until");
    await until(
      async () => (await redis.client.info("persistence")).includes("rdb_last_bgsave_status:err"),
      "the snapshot fails",
    );
    log("visit");
    const report = await visit({ REDIS_URL: redis.url });
    log("visited " + report.checks.map((c) => c.id + "=" + c.level).join(" "));
    await redis.stop();
  },
  5000,
);
