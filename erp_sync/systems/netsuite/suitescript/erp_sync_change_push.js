/**
 * Tells erp_sync that a record changed: stock (by the transactions that move it), fulfillment, order status,
 * item (and with it perhaps its price).
 *
 * Only the id is sent; erp_sync reads the record itself. A push that is lost costs nothing but time, since
 * erp_sync polls as well: the script therefore never fails a save and never tries again.
 *
 * Body: {"id": event id, "entity": "shipment" | "order_status" | "stock_level" | "product", "record": type,
 *        "native_id": "123", "items": ["1001", ...] for stock, "change": "create" | "edit" | "delete",
 *        "sent_at": ISO time}
 * A fulfillment changes the status of the order that it was made from without saving the order (unconfirmed): with
 * entity "order_status" native_id is the order's.
 * Header X-Erp-Sync-Signature: sha256=<hex HMAC-SHA256 of the body with the API secret>.
 * The event id is made of type, id, change and time, so that erp_sync recognises duplicates.
 *
 * @NApiVersion 2.1
 * @NScriptType UserEventScript
 * @NModuleScope SameAccount
 */
define(['N/crypto', 'N/encode', 'N/https', 'N/log', 'N/runtime'], (crypto, encode, https, log, runtime) => {
    const STOCK = ['itemfulfillment', 'itemreceipt', 'inventoryadjustment', 'inventorytransfer', 'salesorder'];
    const PRODUCTS = ['inventoryitem', 'assemblyitem', 'kititem', 'noninventorysaleitem', 'itemgroup'];
    const MOST_ITEMS = 200;

    const afterSubmit = (context) => {
        try {
            const saved = context.newRecord || context.oldRecord;
            entitiesOf(saved.type).forEach((entity) => push(context.type, saved, entity));
        } catch (problem) {
            log.error({ title: 'erp_sync push', details: problem });
        }
    };

    const entitiesOf = (type) => [
        ...(type === 'itemfulfillment' ? ['shipment'] : []),
        ...(['salesorder', 'itemfulfillment'].includes(type) ? ['order_status'] : []),
        ...(STOCK.includes(type) ? ['stock_level'] : []),
        ...(PRODUCTS.includes(type) ? ['product'] : []),
    ];

    const push = (change, saved, entity) => {
        const script = runtime.getCurrentScript();
        const url = script.getParameter({ name: 'custscript_erp_sync_push_url' });
        const secret = script.getParameter({ name: 'custscript_erp_sync_push_secret' });
        if (!url || !secret) {
            return;
        }
        const sentAt = new Date().toISOString();
        const order = saved.type === 'itemfulfillment' && entity === 'order_status';
        const nativeId = order ? saved.getValue({ fieldId: 'createdfrom' }) : saved.id;
        if (!nativeId) {
            return;
        }
        const body = JSON.stringify({
            id: `${saved.type}-${saved.id}-${entity}-${change}-${sentAt}`,
            entity,
            record: saved.type,
            native_id: String(nativeId),
            items: entity === 'stock_level' ? itemsOf(saved) : [],
            change,
            sent_at: sentAt,
        });
        const hmac = crypto.createHmac({
            algorithm: crypto.HashAlg.SHA256,
            key: crypto.createSecretKey({ secret, encoding: encode.Encoding.UTF_8 }),
        });
        hmac.update({ input: body, inputEncoding: encode.Encoding.UTF_8 });
        const signature = hmac.digest({ outputEncoding: encode.Encoding.HEX }).toLowerCase();
        https.post({
            url,
            body,
            headers: { 'Content-Type': 'application/json', 'X-Erp-Sync-Signature': `sha256=${signature}` },
        });
    };

    const itemsOf = (saved) => {
        const sublistId = saved.type.startsWith('inventory') ? 'inventory' : 'item';
        const count = Math.max(0, saved.getLineCount({ sublistId }));
        const items = new Set();
        for (let line = 0; line < count && items.size < MOST_ITEMS; line += 1) {
            items.add(String(saved.getSublistValue({ sublistId, fieldId: 'item', line })));
        }
        return [...items];
    };

    return { afterSubmit };
});
