// Shows what this server pushes to this browser. It answers no request of the page and keeps nothing.

self.addEventListener("push", (event) => {
  const { title, url } = event.data.json();
  // One line for one question: what became of it takes its place.
  event.waitUntil(
    self.registration.showNotification(title, { body: "Open it to read more.", tag: url, data: { url } }),
  );
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(new URL(event.notification.data.url, self.location.origin)));
});

/** Opens a page of this server, where the question is read and answered; nothing is answered here. */
async function open(url) {
  if (url.origin !== self.location.origin) return;
  const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const there = windows.find((window) => window.url === url.href);
  await (there ? there.focus() : self.clients.openWindow(url.href));
}
