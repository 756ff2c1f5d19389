import { createServer, type IncomingMessage } from "node:http";
import { describe, expect, it } from "@jest/globals";
import express from "express";
import request from "supertest";
import type { KitEvents, RateLimitOptions } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { thrown } from "../support/connections.ts";
import { makeKit } from "../support/kit.ts";

describeBackends("a limiter that counts by several identities", (backend) => {
  const appFor = (options: RateLimitOptions) => {
    const kit = makeKit({ ...backend.options(), trustProxy: true });
    const app = express();
    app.use(kit.rateLimit("search", options));
    app.use((_req, res) => res.end("ok"));
    return app;
  };
  const ids = (req: express.Request): string[] => req.get("X-Ids")!.split(" ");
  const statusFor = async (app: express.Express, text: string): Promise<number> =>
    (await request(app).get("/").set("X-Ids", text)).status;

  it("counts each on a key of its own", async () => {
    const app = appFor({ limit: 2, by: ids });
    expect(await statusFor(app, "ada team")).toBe(200);
    expect(await statusFor(app, "bob team")).toBe(200);
    expect(await statusFor(app, "cyd team")).toBe(429);
    expect(await statusFor(app, "ada")).toBe(200);
    expect(await statusFor(app, "ada")).toBe(429);
  });

  it("gives the others back where one refuses", async () => {
    const app = appFor({ limit: 1, by: ids });
    expect(await statusFor(app, "team")).toBe(200);
    for (let n = 0; n < 3; n++) expect(await statusFor(app, "ada team")).toBe(429);
    expect(await statusFor(app, "ada")).toBe(200);
  });

  it("counts an identity once that is named twice", async () => {
    const app = appFor({ limit: 1, by: ids });
    expect(await statusFor(app, "ada ada")).toBe(200);
    expect(await statusFor(app, "ada")).toBe(429);
  });

  it("takes a list within the list as one identity", async () => {
    const app = appFor({ limit: 1, by: async (req) => [ids(req)] });
    expect(await statusFor(app, "acme ada")).toBe(200);
    expect(await statusFor(app, "acme bob")).toBe(200);
    expect(await statusFor(app, "acme ada")).toBe(429);
    if (backend.name === "redis") {
      const keys = await backend.server().client.keys("*");
      expect(keys.toSorted()).toEqual(["ratelimit:search:acme:ada", "ratelimit:search:acme:bob"]);
    }
  });

  it.each([[[]], [""], [undefined], [[["a", ""]]], [[null]]])(
    "fails a request of which `by` answers %j",
    async (answer) => {
      const app = appFor({ by: () => answer as unknown as string[] });
      expect(await statusFor(app, "x")).toBe(500);
    },
  );
});

describe("identity.ip", () => {
  const kit = makeKit({ redis: false, trustProxy: 1 });

  it.each([
    ["192.0.2.7", "192.0.2.7"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["2001:db8:abcd:12ff::1", "2001:db8:abcd:1200::/56"],
    ["fe80::1%eth0", "fe80::/56"],
  ])("makes of the address %s the identity %s", (address, identity) => {
    expect(kit.identity.ip(address)).toBe(identity);
  });

  it("reads a request as `trust proxy` says, with Express and without", async () => {
    const answer = (req: IncomingMessage): string => kit.identity.ip(req);
    const app = express().set("trust proxy", false);
    app.use((req, res) => res.end(answer(req)));
    const plain = createServer((req, res) => res.end(answer(req)));
    const forwarded = "2001:db8:abcd:12ff::1";
    expect((await request(app).get("/").set("X-Forwarded-For", forwarded)).text).toBe("127.0.0.1");
    expect((await request(plain).get("/").set("X-Forwarded-For", forwarded)).text).toBe(
      "2001:db8:abcd:1200::/56",
    );
  });
});

describe("allow and deny", () => {
  const appFor = (options: RateLimitOptions) => {
    const kit = makeKit({ redis: false });
    const events: KitEvents["limited"][] = [];
    kit.on("limited", (event) => events.push(event));
    const app = express().set("trust proxy", true);
    app.use(kit.rateLimit({ limit: 1, ...options }));
    app.use((_req, res) => res.end("ok"));
    const get = (address: string) => request(app).get("/").set("X-Forwarded-For", address);
    return { get, events };
  };

  it("neither counts nor refuses an address that is allowed", async () => {
    const { get } = appFor({ allow: ["10.0.0.0/8", "2001:db8::/32"] });
    for (const address of ["10.1.2.3", "2001:db8::7", "::ffff:10.1.2.3", "10.1.2.3"]) {
      const response = await get(address);
      expect(response.status).toBe(200);
      expect(response.headers).not.toHaveProperty("ratelimit");
    }
    await get("11.1.2.3").expect(200);
    await get("11.1.2.3").expect(429);
  });

  it("answers a denied address with 403, and tells of it", async () => {
    const { get, events } = appFor({ deny: "192.0.2.0/24" });
    const response = await get("192.0.2.9").set("Accept", "application/json").expect(403);
    expect(response.type).toBe("application/problem+json");
    expect(JSON.parse(response.text)).toEqual({ title: "Forbidden", status: 403 });
    expect((await get("192.0.2.9").set("Accept", "text/plain")).text).toBe("Forbidden.");
    const event = { type: "api", key: "ratelimit:api:192.0.2.9", policies: [], retryAfter: 0 };
    expect(events).toEqual([{ ...event, repeats: 0, denied: true }]);
    await get("192.0.3.9").expect(200);
  });

  it("looks at `allow` first", async () => {
    const { get } = appFor({ allow: "192.0.2.9", deny: "192.0.2.0/24" });
    await get("192.0.2.9").expect(200);
    await get("192.0.2.8").expect(403);
  });

  it.each([{ allow: "10.0.0.0/33" }, { deny: ["nowhere"] }, { allow: 7 as never }])(
    "refuses %j when the limiter is made",
    (options) => {
      expect(thrown(() => makeKit({ redis: false }).rateLimit(options)).code).toBe(
        "INVALID_OPTION",
      );
    },
  );

  it("refuses `by` beside `keyGenerator`, and with the auth preset", () => {
    const kit = makeKit({ redis: false });
    const by = () => "x";
    expect(thrown(() => kit.rateLimit({ by, keyGenerator: by })).code).toBe("INVALID_OPTION");
    expect(thrown(() => kit.rateLimit("auth", { by })).code).toBe("INVALID_OPTION");
  });
});
