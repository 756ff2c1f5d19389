/** `concurrent` and `whenFull`: how many sessions a user may have, and who goes. */
import { describe, expect, it } from "@jest/globals";
import type { Kit, SessionOptions } from "express-redis-kit";
import request from "supertest";
import { describeDeployments } from "../support/deployments.ts";
import { makeKit, serve } from "../support/kit.ts";
import { until } from "../support/redis-server.ts";
import { sessionApp, signedIn } from "../support/session-app.ts";

describeDeployments("concurrent sessions", (optionsOf) => {
  let kit: Kit;
  const start = (options: SessionOptions): Promise<string> => {
    kit = makeKit(optionsOf());
    return serve(sessionApp(kit, options));
  };
  const userOf = async (url: string, cookie: string): Promise<unknown> =>
    (await request(url).get("/me").set("Cookie", cookie)).body.user;
  const endedOf = async (url: string, cookie: string): Promise<unknown> =>
    (await request(url).get("/me").set("Cookie", cookie)).body.ended;
  const listed = async () => (await kit.sessions.list("7")).length;

  it("of 3: the fourth login ends the oldest, and no other", async () => {
    const url = await start({ concurrent: 3 });
    const clients = [];
    for (let n = 0; n < 4; n++) clients.push(await signedIn(url, "7"));
    const users = await Promise.all(clients.map(({ cookie }) => userOf(url, cookie)));
    expect(users).toEqual([null, "7", "7", "7"]);
    expect(await endedOf(url, clients[0]!.cookie)).toBe("signed-in-elsewhere");
    expect(await listed()).toBe(3);
  });

  it("of 3: a login by a browser that is signed in takes its own place", async () => {
    const url = await start({ concurrent: 3 });
    const clients = [];
    for (let n = 0; n < 3; n++) clients.push(await signedIn(url, "7"));
    for (let n = 0; n < 3; n++)
      await clients[2]!.agent.post("/login").send({ user: "7" }).expect(200);
    expect(await userOf(url, clients[0]!.cookie)).toBe("7");
    expect(await userOf(url, clients[1]!.cookie)).toBe("7");
    expect(await userOf(url, clients[2]!.cookie)).toBeNull();
    expect(await listed()).toBe(3);
  });

  it("of 3: 12 logins at once leave 3", async () => {
    const url = await start({ concurrent: 3 });
    const clients = await Promise.all(Array.from({ length: 12 }, () => signedIn(url, "7")));
    const users = await Promise.all(clients.map(({ cookie }) => userOf(url, cookie)));
    expect(users.filter((user) => user === "7")).toHaveLength(3);
    expect(await listed()).toBe(3);
  });

  it("without number: nobody is ended, and whose session is gone is forgotten", async () => {
    const url = await start({ concurrent: false });
    const clients = [];
    for (let n = 0; n < 5; n++) clients.push(await signedIn(url, "7"));
    const users = await Promise.all(clients.map(({ cookie }) => userOf(url, cookie)));
    expect(users).toEqual(["7", "7", "7", "7", "7"]);
    const [gone] = clients;
    await kit.sessions.end("7", (await kit.sessions.list("7")).at(-1)!.handle);
    expect(await userOf(url, gone!.cookie)).toBeNull();
    await signedIn(url, "7");
    await until(async () => (await listed()) === 5, "five are left");
  });

  describe.each([1, 2])("refuse, of %i", (concurrent) => {
    it("turns the next login away, and ends nobody", async () => {
      const url = await start({ concurrent, whenFull: "refuse" });
      const clients = [];
      for (let n = 0; n < concurrent; n++) clients.push(await signedIn(url, "7"));
      const refused = await request(url).post("/login").send({ user: "7" });
      expect([refused.status, refused.body.code]).toEqual([409, "SESSION_LIMIT"]);
      expect(refused.headers["set-cookie"]).toBeUndefined();
      for (const { cookie } of clients) expect(await userOf(url, cookie)).toBe("7");
      await clients[0]!.agent.post("/logout").expect(204);
      await signedIn(url, "7");
    });

    it("lets a browser that is signed in do so again", async () => {
      const url = await start({ concurrent, whenFull: "refuse" });
      const clients = [];
      for (let n = 0; n < concurrent; n++) clients.push(await signedIn(url, "7"));
      await clients[0]!.agent.post("/login").send({ user: "7" }).expect(200);
      expect((await clients[0]!.agent.get("/me")).body.user).toBe("7");
    });

    it("lets in as many of 8 logins at once as there is room for", async () => {
      const url = await start({ concurrent, whenFull: "refuse" });
      const logins = Array.from({ length: 8 }, () =>
        request(url).post("/login").send({ user: "7" }),
      );
      const statuses = (await Promise.all(logins)).map(({ status }) => status);
      expect(statuses.filter((status) => status === 200)).toHaveLength(concurrent);
      expect(statuses.filter((status) => status === 409)).toHaveLength(8 - concurrent);
      expect(await listed()).toBe(concurrent);
    });

    it("turns away a save in which a user appears, too", async () => {
      const url = await start({ concurrent, whenFull: "refuse" });
      for (let n = 0; n < concurrent; n++) await signedIn(url, "7");
      const refused = await request(url).post("/data").send({ userId: "7" });
      expect([refused.status, refused.headers["set-cookie"]]).toEqual([409, undefined]);
    });
  });
});
