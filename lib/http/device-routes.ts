import type { Route } from "./call";
import { deviceApproveEndpoint, deviceCompleteEndpoint, deviceDenyEndpoint } from "./device-answers";
import { deviceAuthorizationEndpoint } from "./device-authorization";
import { deviceEntryEndpoint } from "./device-entry";
import { deviceQrEndpoint } from "./device-qr";
import { deviceTokenEndpoint } from "./device-token";

const machine = { cors: true, errors: "oauth", bucket: "token" } as const;
const person = { cors: false, errors: "problem", bucket: "authorize" } as const;

/** The device flow (RFC 8628), for lib/http/routes.ts. */
export const deviceRoutes: readonly Route[] = [
  {
    path: "/device/authorize",
    ...machine,
    methods: { POST: deviceAuthorizationEndpoint },
    sameHeaders: ["cache-control", "www-authenticate"],
  },
  {
    path: "/device/qr",
    cors: true,
    errors: "oauth",
    bucket: "read",
    methods: { GET: deviceQrEndpoint },
    sameHeaders: ["content-type", "cache-control"],
  },
  { path: "/device/token", ...machine, methods: { POST: deviceTokenEndpoint } },
  { path: "/device/verify", ...person, errors: "page", methods: { POST: deviceEntryEndpoint } },
  { path: "/device/approve", ...person, methods: { POST: deviceApproveEndpoint } },
  { path: "/device/deny", ...person, methods: { POST: deviceDenyEndpoint } },
  { path: "/device/complete", ...person, methods: { POST: deviceCompleteEndpoint } },
];
