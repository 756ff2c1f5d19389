/** @jest-config-loader esbuild-register */
import type { Config } from "jest";
import standard from "./jest.config.ts";

/** Tests that need more than Node and Redis: a browser, and the registry that packages come from. */
const config: Config = {
  ...standard,
  testMatch: ["<rootDir>/__tests__/{browser,package}/**/*.test.ts"],
  testPathIgnorePatterns: ["/node_modules/"],
  testTimeout: 60_000,
};

export default config;
