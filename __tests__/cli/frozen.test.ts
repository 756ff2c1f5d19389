/** What the doctor says where Redis is slow or stops answering: it ends in time, whatever it waits for. */
import { describe, expect, it } from "@jest/globals";
import { openChannel } from "../../src/connection/open.ts";
import { startRedis } from "../support/redis-server.ts";
import { visit } from "./visit.ts";

describe("a frozen server", () => {
  it("ends within the limit where it is frozen from the start", async () => {
    const redis = await startRedis({ tcp: true });
    redis.kill("SIGSTOP");
    const report = await visit({ REDIS_URL: redis.url });
    redis.kill("SIGCONT");
    expect(report.find("connection")).toMatchObject({ level: "failure" });
    expect(["REDIS_UNAVAILABLE", "REDIS_TIMEOUT"]).toContain(
      report.find("connection").data["code"],
    );
    expect(report.find("not-checked").level).toBe("note");
  });

  it("ends, and tells what it could not look at, where it freezes on the way", async () => {
    const redis = await startRedis({ tcp: true });
    const report = await visit(
      { REDIS_URL: redis.url },
      {
        // The clocks are compared after the server has answered much else.
        now: (() => {
          let calls = 0;
          return () => {
            if (++calls === 2) redis.kill("SIGSTOP");
            return Date.now();
          };
        })(),
      },
    );
    redis.kill("SIGCONT");
    expect(report.find("memory").level).toBe("ok");
    expect(report.find("clocks")).toMatchObject({
      level: "failure",
      why: "Redis answered before, and stopped while this was looked at.",
    });
    expect(report.find("not-checked").data["ids"]).toEqual([
      "persistence",
      "clients",
      "slow-commands",
    ]);
  });

  it("keeps the overall limit whatever a check waits for", async () => {
    const redis = await startRedis();
    const report = await visit(
      { REDIS_URL: redis.url },
      {
        limit: 300,
        open: (config, events) => {
          const channel = openChannel(config, events);
          const never = new Promise<never>(() => {});
          return {
            ...channel,
            masters: async () => [
              { send: (command) => (command[0] === "INFO" ? channel.send(command) : never) },
            ],
          };
        },
      },
    );
    expect(report.find("latency")).toMatchObject({
      level: "failure",
      data: { code: "REDIS_TIMEOUT" },
    });
    expect(report.find("not-checked")).toMatchObject({
      detail: expect.stringContaining("the time is up"),
      data: { ids: expect.arrayContaining(["server", "slow-commands"]) },
    });
  });
});

describe("a slow server", () => {
  it("warns where answers take more than half the deadline, and fails where most take all of it", async () => {
    const redis = await startRedis();
    const judged = async (times: readonly number[]) => {
      let clock = 0;
      let ping = 0;
      const real = performance.now.bind(performance);
      // The time that passes is what the test says, on top of what passes.
      performance.now = () => real() + clock;
      try {
        const report = await visit(
          { REDIS_URL: redis.url },
          {
            limit: 600_000,
            open: (config, events) => {
              const channel = openChannel(config, events);
              return {
                ...channel,
                masters: async () => [
                  {
                    send: async (command, options) => {
                      const reply = await channel.send(command, options);
                      if (command[0] === "PING") clock += times[ping++ % times.length]!;
                      return reply;
                    },
                  },
                ],
              };
            },
          },
        );
        return report.find("latency");
      } finally {
        performance.now = real;
      }
    };
    expect(await judged([0, 0, 0, 200])).toMatchObject({
      level: "warning",
      fix: expect.stringContaining("slow commands"),
    });
    expect(await judged([300])).toMatchObject({ level: "failure" });
  });
});
