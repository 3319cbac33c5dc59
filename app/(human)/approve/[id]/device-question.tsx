import { Letter } from "@/app/letter";
import { DeviceConfirmation } from "@/components/device-confirmation";
import { Notice } from "@/components/notice";
import { openDevice } from "@/lib/services/device-decisions";
import { deviceNotice, deviceView, type Person } from "./device-view";

type Asked = { id: string; visitor: Person; nothingTicked: boolean };

/** Puts a device's question to the person who typed its code; what can be asked no more says so. */
export async function DeviceQuestion({ id, visitor, nothingTicked }: Asked) {
  const opened = await openDevice(visitor.ctx, { id, userId: visitor.by.user.id });
  const view =
    opened.state === "open" ? await deviceView(visitor, opened.approval, nothingTicked) : undefined;
  if (view)
    return (
      <Letter title={`${view.error ? "Error: " : ""}Connect ${view.app}?`}>
        <DeviceConfirmation {...view} />
      </Letter>
    );
  const notice = await deviceNotice(visitor, opened);
  return (
    <Letter title={notice.title}>
      <Notice {...notice} />
    </Letter>
  );
}
