/**
 * Makes the saved searches that erp_sync reads through its search RESTlet: public, sorted by something unique, each
 * column labelled. Run once (Execute as Admin); a search that is there already is left as it is.
 *
 * customsearch_erp_sync_stock: item, sku, location, onhand, available
 * customsearch_erp_sync_prices: item, sku, level, quantity, price
 *
 * Search columns: SuiteScript Records Browser, item search (locationquantityonhand, locationquantityavailable,
 * inventorylocation; pricing join: pricelevel, minimumquantity, unitprice). Joins differ by feature: unconfirmed for
 * accounts without Multi-Location Inventory or Multiple Prices.
 *
 * @NApiVersion 2.1
 * @NScriptType ScheduledScript
 * @NModuleScope SameAccount
 */
define(['N/search', 'N/log'], (search, log) => {
    const column = (name, label, more = {}) => search.createColumn({ name, label, ...more });

    const SEARCHES = [
        {
            id: 'customsearch_erp_sync_stock',
            title: 'erp_sync stock',
            filters: [['isinactive', 'is', 'F'], 'AND', ['inventorylocation', 'noneof', '@NONE@']],
            columns: [
                column('internalid', 'item', { sort: search.Sort.ASC }),
                column('itemid', 'sku'),
                column('inventorylocation', 'location', { sort: search.Sort.ASC }),
                column('locationquantityonhand', 'onhand'),
                column('locationquantityavailable', 'available'),
            ],
        },
        {
            id: 'customsearch_erp_sync_prices',
            title: 'erp_sync prices',
            filters: [['isinactive', 'is', 'F']],
            columns: [
                column('internalid', 'item', { sort: search.Sort.ASC }),
                column('itemid', 'sku'),
                column('pricelevel', 'level', { join: 'pricing', sort: search.Sort.ASC }),
                column('minimumquantity', 'quantity', { join: 'pricing', sort: search.Sort.ASC }),
                column('unitprice', 'price', { join: 'pricing' }),
            ],
        },
    ];

    const execute = () => SEARCHES.forEach(make);

    const make = ({ id, title, filters, columns }) => {
        if (exists(id)) {
            log.audit({ title: 'erp_sync searches', details: `${id} is there already` });
            return;
        }
        search.create({ type: search.Type.ITEM, id, title, filters, columns, isPublic: true }).save();
        log.audit({ title: 'erp_sync searches', details: `${id} was made` });
    };

    const exists = (id) => {
        try {
            search.load({ id });
            return true;
        } catch (problem) {
            return false;
        }
    };

    return { execute };
});
