"""Makes a new database of Odoo 19 ready for `make test-odoo`. To be fed to `odoo shell`, which gives it `env`.

The database needs the modules sale_management and sale_stock, and no demonstration data.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

env: Any = globals()["env"]
groups = (
    "base.group_user",
    "base.group_partner_manager",
    "sales_team.group_sale_salesman_all_leads",
    "stock.group_stock_user",
)


def product(sku: str, **values: Any) -> Any:
    given = {"name": sku, "default_code": sku, "type": "consu", "is_storable": True, "taxes_id": [(5,)], **values}
    return env["product.product"].create(given)


def tax(name: str, percent: int) -> int:
    group = env["account.tax.group"].search([], limit=1)
    country = env.company.account_fiscal_country_id
    given = {"name": name, "amount": percent, "type_tax_use": "sale", "tax_group_id": group.id}
    return int(env["account.tax"].create({**given, "country_id": country.id}).id)


def pricelist(currency: str) -> int:
    env.ref(f"base.{currency}").active = True
    given = {"name": f"Kept {currency}", "currency_id": env.ref(f"base.{currency}").id}
    return int(env["product.pricelist"].create(given).id)


warehouse = env["stock.warehouse"].search([], limit=1)
for sku, price in (("SKU-1", 25), ("SKU-2", 3)):
    made = product(sku, list_price=price)
    count = {"product_id": made.id, "location_id": warehouse.lot_stock_id.id, "inventory_quantity": 1000}
    env["stock.quant"].with_context(inventory_mode=True).create(count).action_apply_inventory()
product("OLD", sale_ok=False)
for sku in ("SHIPPING", "TAX", "DISCOUNT"):
    product(sku, type="service", is_storable=False)
lists = ", ".join(f"{currency}={pricelist(currency)}" for currency in ("EUR", "USD"))
taxes = ", ".join(f"{percent}={tax(f'Kept {percent} %', percent)}" for percent in (0, 8, 20))
user = env["res.users"].create(
    {"name": "Kept", "login": "kept", "group_ids": [(6, 0, [env.ref(name).id for name in groups])]}
)
until = datetime.now() + timedelta(days=80)
key = env["res.users.apikeys"].with_user(user).sudo()._generate("rpc", "kept", until)
env.cr.commit()
print(f"KEPT_ODOO_KEY={key}\nKEPT_ODOO_PRICELISTS='{lists}'\nKEPT_ODOO_TAXES='{taxes}'")
