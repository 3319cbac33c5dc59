/** @type {import("next").NextConfig} */
const config = {
  // Native code, WebAssembly and drivers stay packages: a bundle would lose the files they load.
  serverExternalPackages: [
    "@electric-sql/pglite",
    "@node-rs/argon2",
    "drizzle-orm",
    "nodemailer",
    "postgres",
    "rate-limiter-flexible",
    "undici",
    "web-push",
  ],
  outputFileTracingIncludes: {
    "/*": [
      "./db/migrations/**/*",
      "./dist/pglite-template.tgz",
      "./node_modules/@electric-sql/pglite/dist/*.{wasm,data}",
    ],
  },
  // A service worker has the policy of its own answer: it shows what is pushed to it, and loads nothing.
  headers: async () => [
    {
      source: "/push-worker.js",
      headers: [
        { key: "content-security-policy", value: "default-src 'none'" },
        { key: "x-content-type-options", value: "nosniff" },
        { key: "cache-control", value: "no-cache" },
      ],
    },
  ],
  // Sign-in forms are the largest bodies that pages take.
  experimental: { proxyClientMaxBodySize: "64kb" },
  poweredByHeader: false,
  // A compressed page with a secret in it can be measured from outside (BREACH); pages are small.
  compress: false,
  productionBrowserSourceMaps: false,
};

export default config;
