import { redirect } from "next/navigation";
import { Letter } from "@/app/letter";
import { firstOf, visitorOfPage } from "@/app/visitor";
import { DeviceEntry } from "@/components/device-entry";
import { DEVICE_ENTRY_PROBLEMS, DEVICE_ENTRY_PURPOSE, devicePath } from "@/lib/http/device-entry";
import { loginPath } from "@/lib/http/session";
import { readUserCode } from "@/lib/oauth/user-code";

/** Where a person types the code that their device shows (RFC 8628 §3.3). */
export default async function DevicePage({ searchParams }: PageProps<"/device">) {
  const query = await searchParams;
  const { by, formToken } = await visitorOfPage();
  const userCode = readUserCode(firstOf(query.user_code) ?? "");
  if (!by) redirect(loginPath(devicePath(userCode)));
  const error = problemOf(firstOf(query.error));
  return (
    <Letter title={error ? "Error: connect a device" : "Connect a device"} continueTo={devicePath(userCode)}>
      <DeviceEntry csrf={formToken(DEVICE_ENTRY_PURPOSE)} userCode={userCode} error={error} />
    </Letter>
  );
}

const problemOf = (code: string | undefined): string | undefined =>
  Object.entries(DEVICE_ENTRY_PROBLEMS).find(([name]) => name === code)?.[1];
