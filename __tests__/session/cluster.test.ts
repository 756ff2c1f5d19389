/** The invariants that only a server can show: time to live, and slots. */
import { describe, expect, it } from "@jest/globals";
import calculateSlot from "cluster-key-slot";
import request from "supertest";
import { makeKit } from "../support/kit.ts";
import { startCluster } from "../support/redis-cluster.ts";
import { startRedis } from "../support/redis-server.ts";
import { sessionApp, signedIn } from "../support/session-app.ts";

describe("after all that sessions can go through", () => {
  it.each([
    [
      "I7: every key has a TTL",
      async () => {
        const server = await startRedis();
        return { url: server.url, servers: [server.client], stop: () => server.stop() };
      },
    ],
    [
      "I9: all of it holds on a Cluster, with keys in different slots",
      async () => {
        const cluster = await startCluster({ replicas: 0 });
        const servers = cluster.nodes.map(({ client }) => client);
        return { url: cluster.url, servers, stop: () => cluster.stop() };
      },
    ],
  ])("%s", async (_name, start) => {
    const { url, servers, stop } = await start();
    const app = sessionApp(makeKit({ redis: url }));
    for (const user of ["7", "8", "9"]) {
      const first = await signedIn(app, user);
      const { agent } = await signedIn(app, user);
      expect((await first.agent.get("/me")).body.ended).toBe("signed-in-elsewhere");
      await agent.post("/data").send({ cart: 1 }).expect(200);
      await agent.post("/regenerate").send({ cart: 2 }).expect(200);
      expect((await agent.get("/me")).body).toMatchObject({ user, data: { cart: 2 } });
      await agent
        .post("/login")
        .send({ user: `${user}0` })
        .expect(200);
      await agent
        .post("/data")
        .send({ userId: `${user}1` })
        .expect(200);
      expect((await agent.get("/me")).body).toMatchObject({ user: `${user}1` });
      if (user !== "9") await agent.post("/logout").expect(204);
    }
    await request.agent(app).post("/data").send({ cart: 1 }).expect(200);
    const found: string[] = [];
    for (const client of servers) {
      const keys = await client.keys("*");
      found.push(...keys);
      for (const key of keys) {
        expect([key, await client.pttl(key)]).toEqual([key, expect.any(Number)]);
        expect(await client.pttl(key)).toBeGreaterThan(0);
      }
    }
    expect(found.length).toBeGreaterThan(4);
    expect(new Set(found.map((key) => calculateSlot(key))).size).toBeGreaterThan(1);
    await stop();
  });
});
