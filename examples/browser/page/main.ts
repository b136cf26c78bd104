/** The page: opens the hub, and shows what is in it. */
import { Uploads } from "../upload/uploads.ts";
import { watchPicks } from "./file-picker.ts";
import { openPageHub } from "./hub.ts";
import { Notices } from "./notices.ts";
import { keepApp } from "./offline.ts";
import { showStatus } from "./status-bar.ts";
import { UploadList } from "./upload-list.ts";

const notices = new Notices();
const onTrouble = (error: unknown): void => notices.trouble(error);
keepApp(notices).catch(onTrouble);

const page = await openPageHub();
notices.listen(page.hub);
showStatus(page);
const uploads = new Uploads(page.hub.client, page.hub.blobs);
const list = new UploadList(uploads, onTrouble);
watchPicks(async (files) => {
  for (const file of files) {
    await uploads.add(file).catch((error: unknown) => {
      notices.say(`${file.name} was not taken: ${error instanceof Error ? error.message : error}`);
    });
    void list.look();
  }
});
await uploads.adopt().catch(onTrouble);
await list.look();
document.documentElement.dataset.ready = "yes";
