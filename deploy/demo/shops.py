"""The three brands of the demo: what they sell, and how people talk to them."""

from typing import Final, Literal, NamedTuple


class Product(NamedTuple):
    """One thing on sale; *price_minor* in fen."""

    sku: str
    name: str
    category: str
    price_minor: int


class Shop(NamedTuple):
    """A brand: its slug, display name, CRM format, and its share of the street's traffic."""

    slug: str
    name: str
    format: Literal["json", "msgpack"]
    traffic: int
    products: tuple[Product, ...]
    talk: tuple[str, ...]
    complaints: tuple[str, ...]


def _products(prefix: str, *lines: str) -> tuple[Product, ...]:
    """Read ``category: name price, name price`` lines."""
    found: list[Product] = []
    for line in lines:
        category, _, rest = line.partition(": ")
        for one in rest.split(", "):
            name, price = one.rsplit(" ", 1)
            found.append(Product(f"{prefix}-{len(found) + 1:03}", name, category, int(price) * 100))
    return tuple(found)


TEA: Final = Shop(
    "yunwu-tea",
    "云雾茶舍",
    "json",
    5,
    _products(
        "yw",
        "绿茶: 明前龙井 268, 洞庭碧螺春 198, 黄山毛峰 128, 信阳毛尖 158",
        "乌龙: 武夷大红袍 328, 凤凰单丛 238, 安溪铁观音 118",
        "红茶: 正山小种 168, 祁门红茶 138, 滇红金芽 98",
        "普洱: 勐海熟饼 258, 易武生饼 398",
        "白茶: 白毫银针 288, 寿眉老饼 88",
        "茶器: 龙泉青瓷盖碗 188, 紫砂西施壶 468, 竹茶则 29",
    ),
    (
        "今年的明前龙井到了吗？",
        "大红袍和单丛哪个更香一点",
        "收到了，包装很用心，谢谢",
        "送长辈的话推荐哪款？",
        "可以开发票吗",
        "盖碗怎么清洗比较好",
        "请问几天能到杭州",
        "Could you ship a sample to Shanghai first?",
        "想约周六下午的品茶会，两个人",
        "老客户有优惠券吗",
    ),
    (
        "茶饼碎了一半，我要退货",
        "等了一周还没发货，我要投诉",
        "味道和上次完全不一样，差评！",
        "I want a ＲＥＦＵＮＤ please",
        "再不处理就去12315投訴，投诉！",
    ),
)
BABY: Final = Shop(
    "xiaoman-baby",
    "小满母婴",
    "msgpack",
    4,
    _products(
        "xm",
        "纸尿裤: 云柔纸尿裤S 89, 云柔纸尿裤M 95, 云柔拉拉裤L 109, 夜用拉拉裤XL 119",
        "奶粉: 有机奶粉1段 298, 有机奶粉2段 288, 有机奶粉3段 268, 羊奶粉2段 328",
        "洗护: 婴儿润肤霜 59, 无泪洗发沐浴露 49, 护臀膏 39",
        "喂养: 宽口玻璃奶瓶 79, 硅胶吸管杯 69, 辅食研磨碗 45",
        "玩具: 木质积木 99, 布书 36, 牙胶 29",
    ),
    (
        "宝宝六个月，用M码还是L码？",
        "二段奶粉什么时候有活动",
        "快递到了，谢谢小满",
        "奶瓶可以进洗碗机吗？",
        "积木有没有小零件，一岁能玩吗",
        "可以帮我改一下收货地址吗",
        "润肤霜冬天够滋润吗",
        "我想集齐积分换布书",
        "Hi, is the goat formula in stock?",
    ),
    ("用了护臀膏起红疹了！", "喝完有点过敏，怎么办", "怀疑是假货，我要投诉", "宝宝发烧了，还能喝这款奶粉吗", "纸尿裤漏得厉害，投诉"),
)
OUTDOOR: Final = Shop(
    "shanye-outdoor",
    "山野户外",
    "json",
    3,
    _products(
        "sy",
        "帐篷: 双人高山帐 1299, 家庭营地帐 1899, 单人徒步帐 899",
        "徒步鞋: 中帮防水靴 799, 低帮溯溪鞋 459, 越野跑鞋 599",
        "冲锋衣: 三层硬壳 1499, 轻量皮肤衣 299, 抓绒内胆 399",
        "背包: 六十升重装包 999, 二十升日包 269",
        "炊具: 一体炉 329, 钛杯 129, 折叠水袋 59",
        "攀岩: 动力绳六十米 869, 快挂套装 459, 镁粉袋 79",
    ),
    (
        "这双鞋适合走武功山吗",
        "帐篷抗风几级？",
        "身高178穿L可以吗",
        "周末虎跳峡的活动还有名额吗",
        "硬壳能机洗吗？",
        "Do you ship to Tokyo?",
        "炉头和气罐是通用的吗",
        "谢谢，鞋子很合脚",
        "登山杖能上飞机吗",
    ),
    ("新帐篷第一晚就漏水", "鞋底开胶了，才穿两次", "申请退款三天没人理", "Sole came off, ｒｅｆｕｎｄ now", "冲锋衣腋下漏水，太失望"),
)
SHOPS: Final = (TEA, BABY, OUTDOOR)
