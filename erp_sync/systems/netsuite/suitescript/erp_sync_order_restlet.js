/**
 * Creates sales orders whose tax the store has calculated, on accounts with legacy tax: the REST API
 * writes no legacy tax (Oracle NetSuite help, Sales Order). Called by erp_sync, operation
 * sales_order.create_with_legacy_tax.
 *
 * GET  -> {"name": "erp_sync_order", "version": "3"}
 * POST {"record": "salesOrder",
 *       "body": the REST body of the order, without tax fields,
 *       "tax": {"total": 5.66, "details": [{"line": index into body.item.items, null for shipping,
 *               "taxCode": {"id": "31"}, "rate": 8.25, "basis": 20, "amount": 1.65, "jurisdiction": "CA"}]}}
 *   -> {"id": "901", "tranId": "SO123", "existed": false}
 *
 * POST {"record": "salesOrder", "id": "901",
 *       "body": {"item": {"items": [{"line": 1, "quantity": 3, "amount": 31.5}, {"line": 4, "isClosed": true}]}},
 *       "tax": {"total": 2.55, "details": [{"line": 1, "amount": 2.3}, {"line": null, "amount": 0.25}]}}
 *   -> {"id": "901", "tranId": "SO123", "existed": true}
 * changes these lines of an order that is there, and its tax with them, in one save; lines that no detail names keep
 * theirs. Operation sales_order.close. A line is found by field `line` of sublist item; that it is the number that REST
 * names `line` (1, 4, 7) is unconfirmed: test per account. `tax.addedLines`, [7], names lines that the store has not
 * sold: `tax.total` lacks their tax, so that where the order is taxed as a whole, and one of them is taxed, the change is
 * refused (ERP_SYNC_ADDED_LINES) and nothing is saved.
 *
 * An order with this external id is never created again: it is looked for first, and the record layer
 * refuses a second one that is created meanwhile; the answer then says "existed": true.
 *
 * @NApiVersion 2.1
 * @NScriptType Restlet
 * @NModuleScope SameAccount
 */
define(['N/record', 'N/search', 'N/error', 'N/format'], (record, search, error, format) => {
    const VERSION = '3';
    const SUBRECORDS = { billingAddress: 'billingaddress', shippingAddress: 'shippingaddress' };
    // Body fields of the REST API whose field id in SuiteScript is not their name in lower case.
    const FIELD_IDS = { externalId: 'externalid', otherRefNum: 'otherrefnum', orderStatus: 'orderstatus' };

    const get = () => ({ name: 'erp_sync_order', version: VERSION });

    const post = (request) => {
        if (request.record === 'salesOrder' && request.id && request.body && request.body.item) {
            return change(request);
        }
        if (request.record !== 'salesOrder' || !request.body || !request.body.externalId) {
            throw refusal('ERP_SYNC_BAD_REQUEST', 'record salesOrder, body and body.externalId are required');
        }
        const found = existing(request.body.externalId);
        if (found) {
            return found;
        }
        const order = build(request.body, request.tax || { details: [] });
        try {
            const id = order.save({ enableSourcing: true, ignoreMandatoryFields: false });
            const number = search.lookupFields({ type: search.Type.SALES_ORDER, id, columns: ['tranid'] });
            return { id: String(id), tranId: number.tranid, existed: false };
        } catch (problem) {
            // Somebody created it between our look and our save.
            const other = /DUP_RCRD|already exists/i.test(`${problem.name} ${problem.message}`)
                ? existing(request.body.externalId)
                : null;
            if (other) {
                return other;
            }
            throw problem;
        }
    };

    const change = (request) => {
        const order = record.load({ type: record.Type.SALES_ORDER, id: request.id, isDynamic: false });
        const at = (line) => {
            const index = order.findSublistLineWithValue({ sublistId: 'item', fieldId: 'line', value: String(line) });
            if (index < 0) {
                throw refusal('ERP_SYNC_NO_LINE', `order ${request.id} has no line ${line}`);
            }
            return index;
        };
        request.body.item.items.forEach((line) => {
            const index = at(line.line);
            Object.keys(line).filter((name) => name !== 'line').forEach((name) => setLine(order, index, name, line[name]));
        });
        if (taxedOnLines(order)) {
            request.tax.details.filter((one) => one.line !== null)
                .forEach((one) => setLine(order, at(one.line), 'tax1Amt', one.amount));
        } else {
            const added = (request.tax.addedLines || []).filter((line) => isTaxed(order, at(line)));
            if (added.length) {
                throw refusal('ERP_SYNC_ADDED_LINES',
                    `it is taxed as a whole, and the store has not sold what is on line ${added.join(', ')}`);
            }
            order.setValue({ fieldId: 'taxamountoverride', value: request.tax.total });
        }
        order.save({ enableSourcing: true, ignoreMandatoryFields: false });
        return { id: String(request.id), tranId: order.getValue({ fieldId: 'tranid' }), existed: true };
    };

    const existing = (externalId) => {
        const results = search.create({
            type: search.Type.SALES_ORDER,
            filters: [['externalid', 'anyof', externalId], 'and', ['mainline', 'is', 'T']],
            columns: ['tranid'],
        }).run().getRange({ start: 0, end: 1 });
        return results.length
            ? { id: String(results[0].id), tranId: results[0].getValue('tranid'), existed: true }
            : null;
    };

    const build = (body, tax) => {
        const order = record.create({ type: record.Type.SALES_ORDER, isDynamic: false });
        // The customer first: it sources subsidiary, currency and addresses that the rest overwrites.
        setField(order, 'entity', body.entity);
        Object.keys(body)
            .filter((name) => !['entity', 'item', ...Object.keys(SUBRECORDS)].includes(name))
            .forEach((name) => setField(order, name, body[name]));
        Object.keys(SUBRECORDS).filter((name) => body[name]).forEach((name) => {
            const address = order.getSubrecord({ fieldId: SUBRECORDS[name] });
            // The country decides which states and fields an address has.
            setField(address, 'country', body[name].country);
            Object.keys(body[name])
                .filter((field) => field !== 'country')
                .forEach((field) => setField(address, field, body[name][field]));
        });
        body.item.items.forEach((line, index) => {
            setLine(order, index, 'item', line.item);
            Object.keys(line).filter((name) => name !== 'item').forEach((name) => setLine(order, index, name, line[name]));
        });
        setTax(order, body.item.items.length, tax);
        return order;
    };

    // Accounts with tax on lines take code, rate and amount there; those with tax on the order (United
    // States) take the total. Which fields an account has follows from its nexus and preferences; the field ids
    // are those of SuiteScript for legacy tax (unconfirmed for every edition: test per account).
    const setTax = (order, count, tax) => {
        if (taxedOnLines(order)) {
            for (let line = 0; line < count; line += 1) {
                const details = tax.details.filter((one) => one.line === line);
                if (details.length) {
                    setLine(order, line, 'taxCode', details[0].taxCode);
                    setLine(order, line, 'taxRate1', sum(details, 'rate'));
                    setLine(order, line, 'tax1Amt', sum(details, 'amount'));
                }
            }
            const shipping = tax.details.filter((one) => one.line === null);
            if (shipping.length) {
                setField(order, 'shippingTaxCode', shipping[0].taxCode);
            }
            return;
        }
        const taxed = tax.details.length > 0;
        order.setValue({ fieldId: 'istaxable', value: taxed });
        if (taxed) {
            setField(order, 'taxItem', tax.details[0].taxCode);
            order.setValue({ fieldId: 'taxamountoverride', value: tax.total });
        }
    };

    const taxedOnLines = (order) => {
        const columns = order.getSublistFields({ sublistId: 'item' });
        return columns.includes('taxcode') && columns.includes('tax1amt');
    };

    // What the field says of a line is unconfirmed where it says nothing: such a line counts as taxed.
    const isTaxed = (order, line) => {
        const value = (fieldId) => order.getSublistValue({ sublistId: 'item', fieldId, line });
        return Number(value('amount')) !== 0 && ![false, 'F'].includes(value('istaxable'));
    };

    const sum = (details, field) =>
        Math.round(details.reduce((total, one) => total + Number(one[field]) * 1e6, 0)) / 1e6;

    const plain = (value) =>
        value !== null && typeof value === 'object' && 'id' in value ? value.id : value;

    const setField = (target, name, value) => {
        const fieldId = FIELD_IDS[name] || name.toLowerCase();
        const isDate = name === 'tranDate';
        target.setValue({ fieldId, value: isDate ? dateOf(value) : plain(value) });
    };

    const setLine = (order, line, name, value) =>
        order.setSublistValue({ sublistId: 'item', fieldId: name.toLowerCase(), line, value: plain(value) });

    // A calendar day: parsed by its parts, so that no time zone moves it.
    const dateOf = (text) => {
        const [year, month, day] = text.split('-').map(Number);
        return format.parse({
            value: format.format({ value: new Date(year, month - 1, day), type: format.Type.DATE }),
            type: format.Type.DATE,
        });
    };

    const refusal = (name, message) => error.create({ name, message, notifyOff: true });

    return { get, post };
});
